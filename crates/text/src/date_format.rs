//! The format in which an iTop prints dates of attributes: `date_and_time_format`, in PHP's placeholders. It depends
//! on the language of the account that asks. iTop accepts and compares dates in ISO form only.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, DateTime, Time};

/// A format that can be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A placeholder, by PHP's letter.
    Number(char),
    /// `am` or `PM`.
    Half(char),
    Literal(char),
}

/// Why a format cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error(
        "`{0}` is no placeholder of a date that iTop can print and read: use d, j, m, n, Y, y, H, G, h, g, i, s, A and a, and write `\\{0}` for the letter itself"
    )]
    Letter(char),
    #[error("it says the {0} more than once")]
    Twice(&'static str),
    #[error("it does not say the {0}")]
    Lacks(&'static str),
    #[error("with the hours of half a day, h or g, it has to say which half: add A or a")]
    Half,
}

const DAY: &str = "dj";
const MONTH: &str = "mn";
const YEAR: &str = "Yy";
const HOUR: &str = "HGhg";
const HALF_HOUR: &str = "hg";

/// iTop's default format.
const ISO: &str = "Y-m-d H:i:s";

impl DateFormat {
    pub fn iso() -> DateFormat {
        DateFormat::parse(ISO).unwrap_or(DateFormat { parts: Vec::new() })
    }

    /// Reads a format of iTop's configuration, such as `d/m/Y H:i:s`.
    pub fn parse(format: &str) -> Result<DateFormat, FormatError> {
        let mut parts = Vec::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                'd' | 'j' | 'm' | 'n' | 'Y' | 'y' | 'H' | 'G' | 'h' | 'g' | 'i' | 's' => Part::Number(letter),
                'A' | 'a' => Part::Half(letter),
                '\\' => Part::Literal(letters.next().unwrap_or('\\')),
                letter if letter.is_ascii_alphabetic() => return Err(FormatError::Letter(letter)),
                letter => Part::Literal(letter),
            });
        }
        let format = DateFormat { parts };
        for (what, letters) in [("day", DAY), ("month", MONTH), ("year", YEAR), ("hour", HOUR), ("minute", "i")] {
            match format.count(letters) {
                0 => return Err(FormatError::Lacks(what)),
                1 => {}
                _ => return Err(FormatError::Twice(what)),
            }
        }
        if format.count("s") > 1 {
            return Err(FormatError::Twice("second"));
        }
        let says_half = format.parts.iter().any(|part| matches!(part, Part::Half(_)));
        if format.count(HALF_HOUR) == 1 && !says_half { Err(FormatError::Half) } else { Ok(format) }
    }

    fn count(&self, letters: &str) -> usize {
        self.parts.iter().filter(|part| part.is_one_of(letters)).count()
    }

    pub fn is_iso(&self) -> bool {
        *self == DateFormat::iso()
    }

    /// Whether printed times have seconds.
    pub fn has_seconds(&self) -> bool {
        self.count("s") == 1
    }

    /// The printed date in ISO form, with its time or alone.
    pub fn read(&self, printed: &str) -> Option<String> {
        let whole = read(&self.parts, printed).and_then(|read| Some((read.date()?, Some(read.time()?))));
        let (date, time) = whole.or_else(|| Some((read(self.of_date(), printed)?.date()?, None)))?;
        Some(match time {
            Some(time) => iso(DateTime::from_parts(date, time)),
            None => date.strftime("%Y-%m-%d").to_string(),
        })
    }

    /// The part of the format that prints a date without a time.
    fn of_date(&self) -> &[Part] {
        let is_of_date = |part: &Part| [DAY, MONTH, YEAR].iter().any(|letters| part.is_one_of(letters));
        let first = self.parts.iter().position(is_of_date);
        let last = self.parts.iter().rposition(is_of_date);
        let of_date = first.zip(last).map_or(&[][..], |(first, last)| &self.parts[first..=last]);
        let is_of_time = |part: &Part| matches!(part, Part::Half(_)) || part.is_one_of(HOUR) || part.is_one_of("is");
        if of_date.iter().any(is_of_time) { &[] } else { of_date }
    }

    /// The formats in which this may be printed, the likeliest first. Adjacent numbers are not separated: such a
    /// format has to be configured.
    pub fn candidates(printed: &str) -> Vec<DateFormat> {
        let Some(shape) = Shape::of(printed) else { return Vec::new() };
        let dates =
            ["dmY", "mdY", "Ymd", "Ydm"].into_iter().flat_map(|order| [order.to_owned(), order.replace('Y', "y")]);
        let mut found: Vec<DateFormat> = Vec::new();
        let time = shape.time_letters();
        for letters in dates.flat_map(|date| [format!("{date}{time}"), format!("{time}{date}")]) {
            let format = shape.with(&letters);
            if format.read(printed).is_some_and(|read| read.len() > ISO_DATE) && !found.contains(&format) {
                found.push(format);
            }
        }
        found
    }

    /// All possible meanings of this text.
    pub fn readings(printed: &str) -> BTreeSet<String> {
        DateFormat::candidates(printed).iter().filter_map(|format| format.read(printed)).collect()
    }
}

/// In the form of iTop's configuration.
impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(letter) if letter.is_ascii_alphabetic() || *letter == '\\' => write!(f, "\\{letter}"),
            Part::Literal(letter) | Part::Number(letter) | Part::Half(letter) => write!(f, "{letter}"),
        })
    }
}

impl Part {
    fn is_one_of(&self, letters: &str) -> bool {
        matches!(self, Part::Number(letter) if letters.contains(*letter))
    }
}

const ISO_DATE: usize = "2026-11-29".len();

/// Whether this is a date with its time in ISO form.
pub fn is_iso(text: &str) -> bool {
    text.len() == "2026-11-29 18:00:53".len() && from_iso(text).is_some()
}

pub fn from_iso(text: &str) -> Option<DateTime> {
    let shape_fits = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if shape_fits { text.replacen(' ', "T", 1).parse().ok() } else { None }
}

pub fn iso(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[derive(Default)]
struct Numbers {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    hour: Option<i8>,
    minute: Option<i8>,
    second: Option<i8>,
    is_half_hour: bool,
    is_afternoon: Option<bool>,
}

impl Numbers {
    fn date(&self) -> Option<Date> {
        Date::new(self.year?, self.month?, self.day?).ok()
    }

    fn time(&self) -> Option<Time> {
        let hour = match (self.hour?, self.is_half_hour) {
            (hour, false) => hour,
            (hour @ 1..=12, true) => hour % 12 + if self.is_afternoon? { 12 } else { 0 },
            _ => return None,
        };
        Time::new(hour, self.minute?, self.second.unwrap_or(0), 0).ok()
    }

    fn take(&mut self, letter: char, number: i16) -> Option<()> {
        let small = i8::try_from(number).ok();
        match letter {
            'd' | 'j' => self.day = Some(small?),
            'm' | 'n' => self.month = Some(small?),
            'Y' => self.year = Some(number),
            // PHP puts 70 to 99 into the last century.
            'y' => self.year = Some(if number < 70 { 2000 + number } else { 1900 + number }),
            'i' => self.minute = Some(small?),
            's' => self.second = Some(small?),
            hour => {
                self.hour = Some(small?);
                self.is_half_hour = HALF_HOUR.contains(hour);
            }
        }
        Some(())
    }
}

/// Reads all of `text`, or nothing.
fn read(parts: &[Part], text: &str) -> Option<Numbers> {
    let mut numbers = Numbers::default();
    let mut rest = text;
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(letter) => rest = rest.strip_prefix(*letter)?,
            Part::Half(_) => {
                let half = rest.get(..2)?;
                numbers.is_afternoon = Some(half.eq_ignore_ascii_case("pm"));
                if !half.eq_ignore_ascii_case("am") && !half.eq_ignore_ascii_case("pm") {
                    return None;
                }
                rest = &rest[2..];
            }
            Part::Number(letter) => {
                let touches = matches!(parts.get(at + 1), Some(Part::Number(_)));
                let digits = digits(*letter, touches, rest)?;
                numbers.take(*letter, rest[..digits].parse().ok()?)?;
                rest = &rest[digits..];
            }
        }
    }
    (rest.is_empty() && !parts.is_empty()).then_some(numbers)
}

/// How many leading digits belong to this number. One without a leading zero may have one or two, since `d` cannot be
/// told from `j`.
fn digits(letter: char, touches: bool, rest: &str) -> Option<usize> {
    let there = rest.bytes().take_while(u8::is_ascii_digit).count();
    match letter {
        'Y' => (there >= 4).then_some(4),
        'y' => (there >= 2).then_some(2),
        _ if touches => (there >= 2).then_some(2),
        _ => (there >= 1).then(|| there.min(2)),
    }
}

/// The numbers of a printed date and the characters between them.
struct Shape {
    pieces: Vec<Piece>,
    numbers: usize,
    has_half: bool,
}

enum Piece {
    Number,
    Half(char),
    Literal(char),
}

impl Shape {
    fn of(printed: &str) -> Option<Shape> {
        let mut shape = Shape { pieces: Vec::new(), numbers: 0, has_half: false };
        let mut rest = printed;
        while let Some(letter) = rest.chars().next() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 {
                shape.pieces.push(Piece::Number);
                shape.numbers += 1;
                rest = &rest[digits..];
                continue;
            }
            let half = rest.get(..2).filter(|two| two.eq_ignore_ascii_case("am") || two.eq_ignore_ascii_case("pm"));
            if let Some(half) = half.filter(|_| !shape.has_half) {
                shape.has_half = true;
                shape.pieces.push(Piece::Half(if half.starts_with(char::is_uppercase) { 'A' } else { 'a' }));
                rest = &rest[2..];
                continue;
            }
            shape.pieces.push(Piece::Literal(letter));
            rest = &rest[letter.len_utf8()..];
        }
        matches!(shape.numbers, 5 | 6).then_some(shape)
    }

    /// The hour, the minute and, if there is one more number, the second.
    fn time_letters(&self) -> String {
        let hour = if self.has_half { 'h' } else { 'H' };
        format!("{hour}i{}", if self.numbers == 6 { "s" } else { "" })
    }

    /// The format that prints these numbers in this order.
    fn with(&self, letters: &str) -> DateFormat {
        let mut letters = letters.chars();
        let part = |piece: &Piece| match piece {
            Piece::Number => letters.next().map_or(Part::Literal(' '), Part::Number),
            Piece::Half(letter) => Part::Half(*letter),
            Piece::Literal(letter) => Part::Literal(*letter),
        };
        DateFormat { parts: self.pieces.iter().map(part).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, printed: &str) -> Option<String> {
        DateFormat::parse(format).unwrap().read(printed)
    }

    #[test]
    fn what_itop_prints_is_read_in_any_format() {
        for (format, printed, iso) in [
            ("Y-m-d H:i:s", "2026-11-09 18:00:53", "2026-11-09 18:00:53"),
            ("d/m/Y H:i:s", "09/11/2026 18:00:53", "2026-11-09 18:00:53"),
            ("m/d/Y h:i:s A", "11/29/2026 06:01:01 PM", "2026-11-29 18:01:01"),
            ("m/d/Y h:i:s A", "11/29/2026 12:01:01 AM", "2026-11-29 00:01:01"),
            ("d.m.Y H:i", "29.11.2026 20:53", "2026-11-29 20:53:00"),
            ("j.n.y G:i", "9.11.26 8:05", "2026-11-09 08:05:00"),
            ("H:i d/m/Y", "20:53 29/11/2026", "2026-11-29 20:53:00"),
            ("YmdHis", "20261129205301", "2026-11-29 20:53:01"),
            ("d \\d\\e m \\d\\e Y, g:i a", "29 de 11 de 2026, 8:53 pm", "2026-11-29 20:53:00"),
            ("d/m/Y H:i:s", "29/11/2026", "2026-11-29"),
            ("$m$d$Y H:i", "$1$2$2026 00:00", "2026-01-02 00:00:00"),
        ] {
            assert_eq!(read(format, printed).as_deref(), Some(iso), "{format}");
        }
        for (format, printed) in [
            ("d/m/Y H:i:s", "2026-11-29 18:00:53"),
            ("d/m/Y H:i:s", "11/29/2026 18:00:53"),
            ("d/m/Y H:i:s", "29/11/2026 18:00"),
            ("d/m/Y H:i:s", ""),
            ("m/d/Y h:i A", "11/29/2026 13:00 PM"),
            ("m/d/Y h:i A", "11/29/2026 01:00 XM"),
            ("d/m/Y H:i:s", "29/11/2026 18:00:53 "),
            ("d/m/Y H:i:s", "é9/11/2026 18:00:53"),
        ] {
            assert_eq!(read(format, printed), None, "{format}: {printed}");
        }
    }

    #[test]
    fn a_format_that_cannot_be_read_back_is_refused() {
        for (format, error) in [
            ("d M Y H:i", FormatError::Letter('M')),
            ("d/m H:i", FormatError::Lacks("year")),
            ("d/m/Y", FormatError::Lacks("hour")),
            ("d/m/Y H", FormatError::Lacks("minute")),
            ("d/j/m/Y H:i", FormatError::Twice("day")),
            ("d/m/Y H:i:s:s", FormatError::Twice("second")),
            ("d/m/Y h:i", FormatError::Half),
        ] {
            assert_eq!(DateFormat::parse(format), Err(error), "{format}");
        }
    }

    #[test]
    fn a_format_is_written_as_it_is_read() {
        for format in ["Y-m-d H:i:s", "d \\d\\e m Y, g:i a", "d/m/Y \\\\ H:i"] {
            assert_eq!(DateFormat::parse(format).unwrap().to_string(), format);
        }
        assert!(DateFormat::iso().is_iso() && DateFormat::iso().has_seconds());
    }

    #[test]
    fn candidates_are_all_that_a_printed_date_may_mean() {
        let readings = |printed: &str| DateFormat::readings(printed).into_iter().collect::<Vec<_>>();
        assert_eq!(readings("29/11/2026 18:00:53"), ["2026-11-29 18:00:53"]);
        assert_eq!(readings("05/06/2026 18:00:53"), ["2026-05-06 18:00:53", "2026-06-05 18:00:53"]);
        assert_eq!(readings("05/05/2026 6:00 pm"), ["2026-05-05 18:00:00"]);
        assert_eq!(readings("18:00 29.11.2026"), ["2026-11-29 18:00:00"]);
        assert_eq!(readings("2026-11-29 18:00:53"), ["2026-11-29 18:00:53"]);
        assert_eq!(readings("05.06.07 18:00").len(), 5);
        for printed in ["20261129205301", "yesterday", "", "1 2 3 4", "29 Nov 2026 18:00"] {
            assert!(readings(printed).is_empty(), "{printed}");
        }
        let first = &DateFormat::candidates("9.11.2026 8:05")[0];
        assert_eq!(first.read("10.11.2026 18:05").as_deref(), Some("2026-11-10 18:05:00"));
    }
}
