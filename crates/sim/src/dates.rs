//! `date_and_time_format`: how REST prints the dates of attributes, by the language of the account that asks. The
//! entries of case logs, OQL and everything that is written know the ISO form only.

use std::collections::BTreeMap;

/// The formats by language, and the one of every other language.
#[derive(Debug, Clone)]
pub struct DateFormats {
    default: String,
    by_language: BTreeMap<String, String>,
}

/// iTop's own default, and the only form in which it takes a date.
pub const ISO: &str = "Y-m-d H:i:s";

impl Default for DateFormats {
    fn default() -> Self {
        Self { default: ISO.to_owned(), by_language: BTreeMap::new() }
    }
}

impl DateFormats {
    pub fn set_default(&mut self, format: &str) {
        format.clone_into(&mut self.default);
    }

    pub fn set(&mut self, language: &str, format: &str) {
        self.by_language.insert(language.to_owned(), format.to_owned());
    }

    pub fn of(&self, language: &str) -> &str {
        self.by_language.get(language).unwrap_or(&self.default)
    }
}

/// An ISO date as PHP's `date()` would print it in this format.
///
/// # Panics
/// On a date that is not in ISO form.
pub fn print(iso: &str, format: &str) -> String {
    let part = |from: usize, to: usize| iso[from..to].parse::<u32>().expect("an ISO date");
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let (hour, minute, second) = (part(11, 13), part(14, 16), part(17, 19));
    let of_twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half = if hour < 12 { "AM" } else { "PM" };
    let mut printed = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        printed.push_str(&match letter {
            'd' => format!("{day:02}"),
            'j' => day.to_string(),
            'm' => format!("{month:02}"),
            'n' => month.to_string(),
            'Y' => format!("{year:04}"),
            'y' => format!("{:02}", year % 100),
            'H' => format!("{hour:02}"),
            'G' => hour.to_string(),
            'h' => format!("{of_twelve:02}"),
            'g' => of_twelve.to_string(),
            'i' => format!("{minute:02}"),
            's' => format!("{second:02}"),
            'A' => half.to_owned(),
            'a' => half.to_lowercase(),
            '\\' => letters.next().map(String::from).unwrap_or_default(),
            other => other.to_string(),
        });
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_printed_as_php_does() {
        for (format, printed) in [
            (ISO, "2026-11-09 18:00:53"),
            ("d/m/Y H:i:s", "09/11/2026 18:00:53"),
            ("m/d/Y h:i:s A", "11/09/2026 06:00:53 PM"),
            ("j.n.y G:i", "9.11.26 18:00"),
            ("g:i a, \\d\\e d/m", "6:00 pm, de 09/11"),
        ] {
            assert_eq!(print("2026-11-09 18:00:53", format), printed, "{format}");
        }
        assert_eq!(print("2026-11-09 00:05:00", "h:i A"), "12:05 AM");
    }
}
