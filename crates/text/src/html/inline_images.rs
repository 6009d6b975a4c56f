//! The inline images that an iTop's HTML refers to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use lol_html::html_content::Element;
use lol_html::{RewriteStrSettings, element, rewrite_str};

/// An inline image of an iTop: seen on 3.1.2 and 3.2.0 as
/// `<img src="{base}/pages/ajax.document.php?operation=download_inlineimage&id=N&s=SECRET"
/// data-img-id="N" data-img-secret="SECRET">`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InlineImage {
    pub id: u64,
    /// Hexadecimal digits. The secret loads the image without a log-in.
    pub secret: String,
}

impl fmt::Debug for InlineImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InlineImage({})", self.id)
    }
}

/// The inline images of a text, each once.
pub fn inline_images(html: &str) -> Vec<InlineImage> {
    let found = RefCell::new(Vec::new());
    let collect = element!("img", |img| {
        if let Some(image) = inline_image(img)
            && !found.borrow().contains(&image)
        {
            found.borrow_mut().push(image);
        }
        Ok(())
    });
    // HTML that cannot be parsed has no images to tell apart; `embed` then sends plain text.
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(collect);
    let parsed = rewrite_str(html, settings);
    if parsed.is_err() {
        return Vec::new();
    }
    found.into_inner()
}

/// The addresses with which an iTop refers to its own images in its HTML, cut to its root. Only iTop writes
/// `data-img-id`, beside an address of its own.
pub fn roots_of_pictures(html: &str) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let collect = element!("img[data-img-id]", |img| {
        let source = img.get_attribute("src").unwrap_or_default();
        if let Some((root, _)) = source.split_once("/pages/ajax.document.php?operation=download_inlineimage")
            && root.contains("//")
        {
            found.borrow_mut().push(root.to_owned());
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().with_strict(false).append_element_content_handler(collect);
    match rewrite_str(html, settings) {
        Ok(_) => found.into_inner(),
        Err(_) => Vec::new(),
    }
}

pub(super) fn inline_image(img: &Element<'_, '_>) -> Option<InlineImage> {
    let by_attributes = || {
        let id = img.get_attribute("data-img-id")?;
        checked(&id, &img.get_attribute("data-img-secret")?)
    };
    let by_source = || {
        let source = unescape_amps(&img.get_attribute("src")?);
        let (path, query) = source.split_once('?')?;
        if !path.ends_with("ajax.document.php") {
            return None;
        }
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            values.entry(name).or_insert(value);
        }
        (values.get("operation") == Some(&"download_inlineimage")).then_some(())?;
        checked(values.get("id")?, values.get("s")?)
    };
    by_attributes().or_else(by_source)
}

fn checked(id: &str, secret: &str) -> Option<InlineImage> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = !secret.is_empty() && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digits && hexadecimal).then_some(())?;
    Some(InlineImage { id: id.parse().ok()?, secret: secret.to_owned() })
}

fn unescape_amps(value: &str) -> String {
    let mut out = value.to_owned();
    while out.contains("&amp;") {
        out = out.replace("&amp;", "&");
    }
    out
}
