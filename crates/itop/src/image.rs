//! An inline image of a description or log entry, with its type by its first bytes.

use bytes::Bytes;

/// Bytes that are an image, whatever the server called them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/bmp`.
    pub mime: &'static str,
    pub bytes: Bytes,
}

/// The type by the first bytes. SVG is refused: it can contain scripts.
pub(crate) fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        // Two letters are not enough evidence: the two reserved fields of a BMP are zero.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, _, _, _, _, ..] => Some("image/bmp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bytes_count() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
        assert_eq!(image_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(image_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(image_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some("image/webp"));
        assert_eq!(image_type(b"BM\x01\x02\x03\x04\0\0\0\0\x36\0\0\0"), Some("image/bmp"));
        for other in [&b""[..], b"<svg xmlns=", b"<html>", b"BMW is a maker of cars", b"RIFF____WAVE"] {
            assert_eq!(image_type(other), None);
        }
    }
}
