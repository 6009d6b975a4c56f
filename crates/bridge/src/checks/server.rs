//! The server that an iTop runs on, as seen in the answer to the log-in: its certificate, its clock, and the version
//! of iTop.

use itop_bridge_engine::wording::span::span;
use itop_client::{Client, ErrorClass, PeerCertificate, Query, ServerTold};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use url::Url;
use x509_cert::der::Decode as _;

use super::{Verdict, is_loopback};
use crate::config::SideConfig;

pub(super) const LINES: [&str; 3] = ["TLS", "clock", "version"];

/// A certificate that ends sooner needs attention.
const FEW_DAYS: i64 = 21;

/// A larger difference between the clocks is a fault.
const MAX_OFF_MS: i64 = 120_000;

/// A smaller difference counts as none: `Date` is in whole seconds, and an answer takes its time.
const AGREES_MS: i64 = 5_000;

const DAY_MS: i64 = 86_400_000;

/// In the order of [`LINES`]. `section`: the side's section in the configuration.
pub(super) async fn judge(
    client: &Client,
    told: &ServerTold,
    now_ms: i64,
    side: &SideConfig,
    section: &str,
) -> Vec<Verdict> {
    vec![
        tls(told.certificate.as_ref(), now_ms, &side.url, section),
        clock(told.date.as_deref(), now_ms),
        version(client).await,
    ]
}

fn tls(certificate: Option<&PeerCertificate>, now_ms: i64, url: &str, section: &str) -> Verdict {
    if url.starts_with("http://") {
        return match is_on_this_machine(url) {
            true => Verdict::ok("plain http, which does not leave this machine"),
            false => Verdict::note(
                "plain http: the password and every ticket go over the network in clear",
                format!("give that web server a certificate, and write https:// in `url` of {section}"),
            ),
        };
    }
    let Some(until) = certificate.and_then(valid_until) else {
        return Verdict { detail: "the end of the certificate could not be read".to_owned(), ..Verdict::not_checked() };
    };
    let days = (until.as_millisecond() - now_ms).div_euclid(DAY_MS);
    let date = TimeZone::UTC.to_datetime(until).date();
    match days {
        // Only a clock that was set after the connection was made gets here: TLS accepts no expired certificate.
        ..0 => Verdict::fault(format!("the certificate ended on {date}"), "renew the certificate of that web server"),
        0..FEW_DAYS => Verdict::note(
            format!("the certificate ends on {date}, {}", in_days(days)),
            "renew the certificate of that web server before then, or no call gets through",
        ),
        _ => Verdict::ok(format!("the certificate is valid until {date}, {days} days more")),
    }
}

fn in_days(days: i64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

fn is_on_this_machine(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_loopback(&url))
}

fn valid_until(certificate: &PeerCertificate) -> Option<Timestamp> {
    let certificate = x509_cert::Certificate::from_der(&certificate.0).ok()?;
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Timestamp::from_second(i64::try_from(until.as_secs()).ok()?).ok()
}

/// iTop's web server states its time in each answer.
fn clock(date: Option<&str>, now_ms: i64) -> Verdict {
    let theirs = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let Some(theirs) = theirs else {
        return Verdict { detail: "the web server does not say its time".to_owned(), ..Verdict::not_checked() };
    };
    let ahead_ms = theirs.as_millisecond() - now_ms;
    let off = format!("{} {}", length(ahead_ms.abs()), if ahead_ms > 0 { "ahead of" } else { "behind" });
    if ahead_ms.abs() <= AGREES_MS {
        return Verdict::ok("agrees with this machine's");
    }
    if ahead_ms.abs() <= MAX_OFF_MS {
        return Verdict::ok(format!("{off} this machine's"));
    }
    Verdict::fault(
        format!("{off} this machine's; more than {} is a fault", length(MAX_OFF_MS)),
        "set both clocks by a time server: otherwise people read wrong times, and a valid certificate may be taken for one that has ended",
    )
}

fn length(ms: i64) -> String {
    if ms < 600_000 { format!("{} s", ms / 1000) } else { span(ms) }
}

/// iTop's REST does not state the version of iTop. `team_email` of a ticket came with 3.2.0.
async fn version(client: &Client) -> Verdict {
    match client.get("Ticket", &Query::id(0), &["team_email"]).await {
        Ok(_) => Verdict::ok("3.2 or later: its tickets have the attribute team_email"),
        Err(error) if matches!(error.class, ErrorClass::UnknownAttribute { .. }) => {
            Verdict::ok("3.1, or earlier: its tickets lack the attribute team_email")
        }
        Err(error) => Verdict::unclear(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::State;

    #[test]
    fn http_is_plain_but_within_this_machine() {
        for url in ["http://127.0.0.1:8000/itop", "http://[::1]/", "http://localhost", "http://itop.localhost:80"] {
            assert_eq!(tls(None, 0, url, "[internal]").state, State::Ok, "{url}");
        }
        for url in ["http://itop.example", "http://10.0.0.1/itop", "http://localhost.example"] {
            assert_eq!(tls(None, 0, url, "[internal]").state, State::Note, "{url}");
        }
        let nonsense = PeerCertificate(bytes::Bytes::from_static(b"0\x82\xff\xff nonsense"));
        for certificate in [None, Some(&nonsense)] {
            assert_eq!(tls(certificate, 0, "https://itop.example", "[internal]").state, State::Unknown);
        }
    }

    #[test]
    fn clocks_may_differ_by_two_minutes() {
        const NOON: &str = "Tue, 24 Nov 2026 12:00:00 GMT";
        let noon_ms = 1_795_521_600_000;
        let at = |now_ms: i64| {
            let verdict = clock(Some(NOON), now_ms);
            (verdict.state, verdict.detail)
        };
        assert_eq!(at(noon_ms + 700), (State::Ok, "agrees with this machine's".to_owned()));
        assert_eq!(at(noon_ms + 90_000), (State::Ok, "90 s behind this machine's".to_owned()));
        assert_eq!(at(noon_ms - 120_000), (State::Ok, "120 s ahead of this machine's".to_owned()));
        let off = "121 s ahead of this machine's; more than 120 s is a fault".to_owned();
        assert_eq!(at(noon_ms - 121_000), (State::Fault, off));
        assert_eq!(at(noon_ms + 8 * 3_600_000).0, State::Fault);
        for none in [None, Some("noon")] {
            assert_eq!(clock(none, noon_ms).state, State::Unknown);
        }
    }
}
