<?php
// Writes html.jsonl: random markup, and what PHP's DOMDocument makes of it when it is called
// as iTop's sanitiser calls it (PHP 8.2, libxml 2.9.14). A sample of 250 lines is kept.
function s($h){ $d=new DOMDocument(); $d->preserveWhiteSpace=true; @$d->loadHTML('<?xml encoding="UTF-8"?>'.$h); $x=new DOMXPath($d); $n=$x->query('//body'); if($n->length==0) return $d->saveHTML(); return str_replace(['<body>','</body>'],'',$d->saveHTML($n->item(0)));}
$t=['a ','b < c ',"\n",'&amp; ','& ','é ','&nbsp;','<p>','</p>','<b>','</b>','<i>','</i>','<ul>','<li>','</li>','</ul>','<div>','</div>','<br>','<br/>','<span style="color:red">','</span>','<table><tr><td>','</td></tr></table>','<h1>','</h1>','<pre>','</pre>','<a href="http://x/é y?a=1&b=2">','</a>','<blockquote>','</blockquote>','<img src="http://x/1">','1 > 2','"q" ','<code>','</code>'];
mt_srand(7);
for($i=0;$i<3000;$i++){ $h=''; $n=mt_rand(1,8); for($j=0;$j<$n;$j++) $h.=$t[mt_rand(0,count($t)-1)]; if(trim($h)==='')continue; echo json_encode([$h,s($h)]),"\n"; }
