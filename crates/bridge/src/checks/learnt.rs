//! Facts that `serve` learnt about a side's server while it worked: its UTC offset and the size of a call that it
//! refuses. No iTop states either.

use itop_bridge_engine::wording::span::span;
use itop_bridge_engine::{Learnt, LearntRoom, Offsets, RefusedSize, agree_for_a_year};
use itop_bridge_text::date_format::DateFormat;
use itop_client::base64_len;

use super::Verdict;
use crate::config::{Config, SideConfig};

const MIB: u64 = 1 << 20;

/// The part of a call besides the file.
const BESIDE_A_FILE: u64 = 64 << 10;

/// How a side prints dates, and the source of that knowledge. `unread`: the date printed last, if no format can read
/// it.
pub(super) fn date_format(
    side: &SideConfig,
    learnt: Option<&DateFormat>,
    unread: Option<&str>,
    section: &str,
) -> Verdict {
    if let Some(unread) = unread {
        return Verdict::fault(
            format!("it prints a date as {unread:?}, which can be read in no format: its dates are unknown"),
            format!("set `date_format` of {section} to that iTop's `date_and_time_format`, or change that there"),
        );
    }
    Verdict::ok(match (&side.date_format, learnt) {
        (Some(stated), _) => format!("{stated}, as configured"),
        (None, Some(learnt)) => format!("{learnt}, learnt from its answers"),
        (None, None) => format!("{}, iTop's default", DateFormat::iso()),
    })
}

pub(super) fn time_zone(
    side: &SideConfig,
    learnt: Option<&Learnt>,
    offsets: &Offsets,
    section: &str,
    now_ms: i64,
) -> Verdict {
    let Some(zone) = &side.time_zone else {
        return match learnt.map(Learnt::offset).or(offsets.newest()) {
            Some(offset) if offsets.newest().is_some() && !tells_a_year(offsets, now_ms) => Verdict::ok(format!(
                "UTC{offset}, learnt from its answers; a date of another season waits until `time_zone` of {section} is set"
            )),
            Some(offset) => Verdict::ok(format!("UTC{offset}, learnt from its answers")),
            None => Verdict::ok(
                "not yet learnt: until the bridge first creates something there, people read times as server time",
            ),
        };
    };
    let name = zone.iana_name().unwrap_or("a zone without a name");
    match learnt {
        Some(learnt) if learnt.contradicts(zone) => Verdict::fault(
            format!("the configuration says {name}, and its answers show UTC{}", learnt.offset()),
            format!("correct `time_zone` of {section}, or take it out: it is learnt"),
        ),
        Some(_) => Verdict::ok(format!("{name}, as configured and as its answers show")),
        None => Verdict::ok(format!("{name}, as configured")),
    }
}

fn tells_a_year(offsets: &Offsets, now_ms: i64) -> bool {
    let from = jiff::Timestamp::from_millisecond(now_ms);
    from.is_ok_and(|from| agree_for_a_year(offsets.clone().zones(), from))
}

/// `takes`: whether a call of the refused size gets through now, where known.
pub(super) fn post_max_size(
    config: &Config,
    side: &SideConfig,
    refused: Option<RefusedSize>,
    takes: Option<bool>,
    now_ms: i64,
) -> Verdict {
    let Some(RefusedSize { bytes, at_ms }) = refused else {
        return Verdict::ok("not yet learnt: no call was refused for its size");
    };
    let needed = needed(config, side);
    let said = format!("a call of {} was refused for its size, {} ago", mib(bytes), span(now_ms - at_ms));
    if takes == Some(true) {
        return Verdict::ok(format!("{said}, and one of that size gets through now"));
    }
    if bytes > needed {
        return Verdict::ok(format!("{said}: more than the largest file that is sent needs"));
    }
    Verdict::note(
        format!("{said}: a file of {} or more goes as a small text that says so", mib(bytes / 4 * 3)),
        format!(
            "raise post_max_size in that iTop's php.ini, and the limit of its web server, over {}, or lower max_attachment_mib",
            mib(needed)
        ),
    )
}

/// Limits met in the side's texts and database.
pub(super) fn room(learnt: &LearntRoom) -> Vec<(String, Verdict)> {
    let mut lines = Vec::new();
    let smaller = learnt.smaller();
    if !smaller.is_empty() {
        let detail = format!("{}: longer texts are cut, and cross whole as files", smaller.join(", "));
        lines.push(("texts".to_owned(), Verdict::ok(detail)));
    }
    let without = learnt.without_wide_characters();
    if !without.is_empty() {
        let detail = format!(
            "its tables are in utf8mb3 and lack characters such as emoji; they become `?` in {}",
            without.join(", ")
        );
        let fix = "convert that iTop's database to utf8mb4; `serve` notices within a day";
        lines.push(("characters".to_owned(), Verdict::note(detail, fix)));
    }
    lines
}

/// The size of the largest call made there.
pub(super) fn needed(config: &Config, side: &SideConfig) -> u64 {
    let of_side = config.externals.iter().filter(|one| side.name == config.internal.name || one.name() == side.name);
    let largest = of_side.map(|external| external.sync.max_attachment_bytes).max().unwrap_or_default();
    base64_len(largest) + BESIDE_A_FILE
}

/// With one decimal.
fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(MIB);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
