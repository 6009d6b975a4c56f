//! What a simulated iTop is made of: version, address, clock, first ids, limits, speed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::dates::DateFormats;

/// The release whose behaviour is simulated; the recordings are of 3.1.2 and 3.2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    V3_1,
    V3_2,
}

/// The next id of each kind of object, for a world that looks used, restored or cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstIds {
    pub ticket: u64,
    /// The number in `R-000123`; all classes share one counter.
    pub reference: u64,
    pub attachment: u64,
    pub inline_image: u64,
}

impl Default for FirstIds {
    fn default() -> Self {
        Self { ticket: 1, reference: 1, attachment: 1, inline_image: 1 }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// PHP's `post_max_size`: a longer body loses all its fields, so the log-in fails.
    pub post_max_bytes: usize,
    /// The database's longest packet: a larger file is an SQL error.
    pub attachment_max_bytes: Option<usize>,
    /// A file larger than this is answered 2006 in place of 1153: the database drops the connection.
    pub attachment_gone_away_bytes: Option<usize>,
    /// PHP's memory: each write to a ticket whose files are larger together is carried out and answered HTTP 500.
    pub files_memory_bytes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            post_max_bytes: 64 << 20,
            attachment_max_bytes: None,
            attachment_gone_away_bytes: None,
            files_memory_bytes: None,
        }
    }
}

/// The server's clock, in Unix seconds. Never the machine's own: a test decides.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl WallClock {
    pub fn new(unix_seconds: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(unix_seconds))
    }

    /// Runs from `unix_seconds` on with tokio's clock, paused or not.
    pub fn from(unix_seconds: i64) -> Self {
        let start = tokio::time::Instant::now();
        Self::new(move || unix_seconds + i64::try_from(start.elapsed().as_secs()).unwrap_or(i64::MAX))
    }

    pub fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

#[derive(Debug, Clone)]
pub struct SimConfig {
    pub version: Version,
    /// Without a slash at the end; inline images' addresses start with it.
    pub base_url: String,
    /// An IANA name (`Europe/Paris`) or a fixed offset (`+07:00`).
    pub time_zone: String,
    /// How REST prints the dates of attributes.
    pub date_formats: DateFormats,
    pub clock: WallClock,
    pub first_ids: FirstIds,
    pub limits: Limits,
    /// What every call costs, whatever it does (PHP's start).
    pub latency: Duration,
    /// The speed of the line, both ways together; `None` costs no time.
    pub line_bits_per_second: Option<u64>,
}

/// 2026-11-24 12:00:00 in Europe/Paris.
const DEFAULT_START: i64 = 1_795_518_000;

impl SimConfig {
    pub fn new(version: Version, base_url: &str) -> Self {
        Self {
            version,
            base_url: base_url.trim_end_matches('/').into(),
            time_zone: "Europe/Paris".into(),
            date_formats: DateFormats::default(),
            clock: WallClock::from(DEFAULT_START),
            first_ids: FirstIds::default(),
            limits: Limits::default(),
            latency: Duration::ZERO,
            line_bits_per_second: None,
        }
    }
}

/// The server's zone: iTop prints local times without it.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// # Panics
    /// On a name that is neither a zone nor an offset: a test's own mistake.
    pub fn parse(name: &str) -> Self {
        let zone = TimeZone::get(name).ok().or_else(|| fixed_offset(name));
        Self(zone.unwrap_or_else(|| panic!("unknown time zone {name}")))
    }

    /// `YYYY-MM-DD HH:MM:SS`, as iTop prints it.
    pub fn print(&self, unix_seconds: i64) -> String {
        let at = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        self.0.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl Zone {
    /// The other way: a local date, with or without a time.
    pub fn read(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let full = if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
        let local = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", full).ok()?;
        Some(self.0.to_timestamp(local).ok()?.as_second())
    }
}

fn fixed_offset(name: &str) -> Option<TimeZone> {
    let (sign, rest) = match name.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60);
    Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?))
}
