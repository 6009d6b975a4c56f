//! File contents as iTop's REST carries them: base64 text, passed on without being decoded.

use std::fmt;

use bytes::Bytes;

/// The value of a document attribute, such as an attachment's `contents`.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    pub data: Base64Text,
    pub filename: String,
    pub mimetype: String,
    /// Counts persons' downloads. Only ever read.
    pub downloads_count: Option<u64>,
}

impl Contents {
    pub fn new(data: Base64Text, filename: impl Into<String>, mimetype: impl Into<String>) -> Contents {
        Contents { data, filename: filename.into(), mimetype: mimetype.into(), downloads_count: None }
    }
}

/// Never the data: a file may hold anything.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("filename", &self.filename)
            .field("mimetype", &self.mimetype)
            .field("data", &self.data)
            .field("downloads_count", &self.downloads_count)
            .finish()
    }
}

/// Base64 text. A clone shares the bytes. Text from a server may be incomplete: the client checks it before sending
/// it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64Text {
    text: Bytes,
}

impl Base64Text {
    pub fn as_str(&self) -> &str {
        // Made from `String`s only, so this cannot fail.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Length of the text, in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn is_whole(&self) -> bool {
        is_whole(&self.text)
    }

    /// Size in bytes of the file that a whole text encodes.
    pub fn decoded_len(&self) -> u64 {
        let padding = self.text.iter().rev().take(2).filter(|&&b| b == b'=').count() as u64;
        (self.text.len() as u64 / 4 * 3).saturating_sub(padding)
    }

    pub(crate) fn as_bytes(&self) -> &Bytes {
        &self.text
    }
}

impl From<String> for Base64Text {
    fn from(text: String) -> Base64Text {
        Base64Text { text: Bytes::from(text) }
    }
}

impl From<&str> for Base64Text {
    fn from(text: &str) -> Base64Text {
        Base64Text::from(text.to_owned())
    }
}

impl fmt::Debug for Base64Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Text({} bytes)", self.len())
    }
}

/// Length of the base64 text of a file of `file_bytes`.
pub fn base64_len(file_bytes: u64) -> u64 {
    file_bytes.div_ceil(3).saturating_mul(4)
}

/// Whether `text` is whole, padded base64 of the standard alphabet, determined without decoding it.
///
/// iTop turns anything else into an *empty file* and answers ok (recorded: "edge: contents that are no base64"), so a
/// text cut on its way would silently replace a good file. The empty text is whole: an empty file.
pub fn is_whole_base64(text: &str) -> bool {
    is_whole(text.as_bytes())
}

fn is_whole(text: &[u8]) -> bool {
    if !text.len().is_multiple_of(4) {
        return false;
    }
    let padding = text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let digits = &text[..text.len() - padding];
    digits.iter().all(|byte| SEXTET[*byte as usize] < 64) && unused_bits_are_zero(digits, padding)
}

/// With padding, the last digit has bits that belong to no byte. An encoder leaves them zero; otherwise the text was
/// cut in the middle and padded again.
fn unused_bits_are_zero(digits: &[u8], padding: usize) -> bool {
    let unused = match padding {
        0 => return true,
        1 => 0b11,
        _ => 0b1111,
    };
    digits.last().is_some_and(|digit| SEXTET[*digit as usize] & unused == 0)
}

/// The six bits of each base64 digit, or 64 for any other byte.
const SEXTET: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [64; 256];
    let mut value = 0;
    while value < alphabet.len() {
        table[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    #[test]
    fn what_is_whole() {
        for whole in ["", "eA==", "eHk=", "eHl6", "aGVsbG8gZmlsZQ==", "+/+/"] {
            assert!(is_whole_base64(whole), "{whole}");
        }
        let broken =
            ["e", "eA", "eA=", "=", "==", "====", "eA==eA==", "***", "eHl6\n", "eHl-", "eB==", "eHl=", "é===", "a==="];
        for text in broken {
            assert!(!is_whole_base64(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_decoder(text in "[A-Da-d0-3+/=*]{0,12}") {
            prop_assert_eq!(is_whole_base64(&text), STANDARD.decode(&text).is_ok());
        }

        #[test]
        fn lengths_agree_with_an_encoder(file in proptest::collection::vec(any::<u8>(), 0..50)) {
            let text = STANDARD.encode(&file);
            prop_assert!(is_whole_base64(&text));
            prop_assert_eq!(base64_len(file.len() as u64), text.len() as u64);
            prop_assert_eq!(Base64Text::from(text).decoded_len(), file.len() as u64);
        }
    }
}
