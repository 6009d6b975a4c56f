//! The bodies that PHP turns into form fields: urlencoded and multipart. Large values are
//! found by searching for the boundary, not by looking at each byte's meaning.

use std::collections::BTreeMap;

use http::HeaderMap;

/// The form fields of a body; empty when it is of neither kind.
pub fn fields(headers: &HeaderMap, body: &[u8]) -> BTreeMap<String, String> {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if content_type.starts_with("multipart/form-data") {
        return boundary(content_type)
            .map_or_else(BTreeMap::new, |boundary| multipart(&boundary, &String::from_utf8_lossy(body)));
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return url::form_urlencoded::parse(body).into_owned().collect();
    }
    BTreeMap::new()
}

/// Names and values of a query string.
pub fn query(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn boundary(content_type: &str) -> Option<String> {
    let (_, rest) = content_type.split_once("boundary=")?;
    let boundary = rest.split(';').next()?.trim().trim_matches('"');
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

fn multipart(boundary: &str, body: &str) -> BTreeMap<String, String> {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n{opening}");
    let mut fields = BTreeMap::new();
    let mut rest = body.split_once(opening.as_str()).map_or("", |(_, rest)| rest);
    while let Some(part) = rest.strip_prefix("\r\n") {
        let Some(end) = find(part, &delimiter) else { break };
        fields.extend(part_field(&part[..end]));
        rest = &part[end + delimiter.len()..];
    }
    fields
}

fn part_field(part: &str) -> Option<(String, String)> {
    let (head, value) = part.split_at(find(part, "\r\n\r\n")?);
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = disposition.split(';').map(str::trim).find_map(|item| item.strip_prefix("name="))?;
    Some((name.trim_matches('"').to_owned(), value["\r\n\r\n".len()..].to_owned()))
}

/// The first place of a needle that begins with a carriage return, which JSON hardly ever
/// holds: the search leaps over a file in one step.
fn find(text: &str, needle: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('\r') {
        if text[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipart_values_keep_line_breaks_and_dashes() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=\"xx\"".parse().unwrap());
        let body = "--xx\r\nContent-Disposition: form-data; name=\"auth_user\"\r\n\r\nbridge\r\n\
                    --xx\r\ncontent-disposition: form-data; name=\"json_data\"\r\nContent-Type: text/plain\r\n\r\n{\r\n--x\r\n}\r\n--xx--\r\n";
        let fields = fields(&headers, body.as_bytes());
        assert_eq!(fields["auth_user"], "bridge");
        assert_eq!(fields["json_data"], "{\r\n--x\r\n}");
    }

    #[test]
    fn urlencoded_values_are_decoded() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        assert_eq!(fields(&headers, b"json_data=%7B%22a%22%3A+1%7D")["json_data"], "{\"a\": 1}");
    }
}
