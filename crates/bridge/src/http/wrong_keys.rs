//! Tells a client that keeps sending wrong keys to wait.
//!
//! A right key is always accepted, whatever comes from the same address: many iTops may stand behind one proxy, and
//! none may be locked out by its neighbour. So this slows no guesser down; the length of a key does that (`keys new`
//! draws 256 bits). It keeps a flood of wrong keys from filling the log, and tells whoever configured a wrong key
//! that repeating it is of no use.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// This many at once are answered normally …
const AT_ONCE: i64 = 20;

/// … and then one more in this time.
const ONE_EACH_MS: i64 = 3_000;

/// The most addresses counted separately. If there are more at one time, the others count as one.
const MOST_ADDRESSES: usize = 1_024;

/// For this long, nothing more is logged about an address and a route.
const TOLD_EACH_MS: i64 = 3_600_000;

#[derive(Default)]
pub(super) struct WrongKeys {
    accounts: Mutex<HashMap<Sender, Account>>,
    /// The time until which nothing more is logged.
    told: Mutex<HashMap<(Sender, &'static str), i64>>,
}

/// The origin; `None` stands for all senders that are not counted separately.
type Sender = Option<IpAddr>;

struct Account {
    /// When everything that was sent is forgotten.
    over_ms: i64,
    /// Whether the wait was reported since the account was last empty.
    said: bool,
}

/// The answer to one more wrong key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    AsEver,
    Wait {
        seconds: u64,
        /// The first wrong key that has to wait: this one is worth a line in the log.
        first: bool,
    },
}

impl WrongKeys {
    /// Whether a webhook refused for its key is the first of an hour from that address to this route. Addresses
    /// beyond the limit count as one.
    pub fn is_news(&self, from: Option<IpAddr>, route: &'static str, now_ms: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (from.map(network), route);
        if !told.contains_key(&key) && told.len() >= MOST_ADDRESSES {
            told.retain(|_, until_ms| *until_ms > now_ms);
            if told.len() >= MOST_ADDRESSES {
                key.0 = None;
            }
        }
        let until_ms = told.entry(key).or_insert(i64::MIN);
        let is_news = *until_ms <= now_ms || *until_ms > now_ms.saturating_add(TOLD_EACH_MS);
        if is_news {
            *until_ms = now_ms.saturating_add(TOLD_EACH_MS);
        }
        is_news
    }

    pub fn one_more(&self, from: Option<IpAddr>, now_ms: i64) -> Verdict {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sender = from.map(network);
        if !accounts.contains_key(&sender) && accounts.len() >= MOST_ADDRESSES {
            accounts.retain(|_, account| account.over_ms > now_ms);
            if accounts.len() >= MOST_ADDRESSES {
                sender = None;
            }
        }
        let account = accounts.entry(sender).or_insert(Account { over_ms: now_ms, said: false });
        if account.over_ms <= now_ms {
            *account = Account { over_ms: now_ms, said: false };
        }
        // A clock that was set back must not make the wait longer.
        account.over_ms = account.over_ms.min(now_ms + AT_ONCE * ONE_EACH_MS);
        let over_ms = account.over_ms + ONE_EACH_MS;
        if over_ms <= now_ms + AT_ONCE * ONE_EACH_MS {
            account.over_ms = over_ms;
            return Verdict::AsEver;
        }
        let wait_ms = over_ms - now_ms - AT_ONCE * ONE_EACH_MS;
        let first = !std::mem::replace(&mut account.said, true);
        Verdict::Wait { seconds: wait_ms.unsigned_abs().div_ceil(1_000), first }
    }
}

/// A holder of one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        },
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Option<IpAddr> {
        Some(std::net::Ipv4Addr::from_bits(number).into())
    }

    /// How many of this many, sent at once, are answered normally.
    fn as_ever(keys: &WrongKeys, from: Option<IpAddr>, sent: usize, now_ms: i64) -> usize {
        (0..sent).filter(|_| keys.one_more(from, now_ms) == Verdict::AsEver).count()
    }

    #[test]
    fn twenty_at_once_and_then_one_in_three_seconds() {
        let keys = WrongKeys::default();
        assert_eq!(as_ever(&keys, address(1), 20, 0), 20);
        assert_eq!(keys.one_more(address(1), 0), Verdict::Wait { seconds: 3, first: true });
        assert_eq!(keys.one_more(address(1), 1_500), Verdict::Wait { seconds: 2, first: false });
        assert_eq!(as_ever(&keys, address(1), 5, 3_000), 1);
        assert_eq!(as_ever(&keys, address(2), 20, 3_000), 20, "a neighbour has an account of its own");
        assert_eq!(as_ever(&keys, address(1), 40, 10_000_000), 20, "all is forgotten in time");
        assert_eq!(keys.one_more(address(1), 10_000_000), Verdict::Wait { seconds: 3, first: false });
    }

    #[test]
    fn the_first_that_waits_is_told_again_once_all_was_forgotten() {
        let keys = WrongKeys::default();
        let firsts = |now_ms| {
            let verdicts = (0..100).map(|_| keys.one_more(address(1), now_ms));
            verdicts.filter(|verdict| matches!(verdict, Verdict::Wait { first: true, .. })).count()
        };
        assert_eq!((firsts(0), firsts(3_000), firsts(59_999), firsts(200_000)), (1, 0, 0, 1));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let keys = WrongKeys::default();
        as_ever(&keys, address(1), 21, 3_600_000);
        assert_eq!(keys.one_more(address(1), 0), Verdict::Wait { seconds: 3, first: false });
        assert_eq!(as_ever(&keys, address(1), 1, 3_000), 1);
    }

    #[test]
    fn whatever_the_number_of_addresses_the_memory_is_bounded() {
        let keys = WrongKeys::default();
        let answered = (0..100_000).filter(|number| keys.one_more(address(*number), 0) == Verdict::AsEver).count();
        assert_eq!(answered, MOST_ADDRESSES + AT_ONCE as usize, "the others count as one");
        assert_eq!(keys.accounts.lock().unwrap().len(), MOST_ADDRESSES + 1);
        assert_eq!(keys.one_more(address(500_000), ONE_EACH_MS), Verdict::AsEver);
        assert!(keys.accounts.lock().unwrap().len() <= 2, "who sends no more is forgotten");
    }

    #[test]
    fn a_refused_key_is_told_once_an_hour_of_each_address_and_route_and_the_memory_is_bounded() {
        let keys = WrongKeys::default();
        assert!(keys.is_news(address(1), "update-ticket", 0) && !keys.is_news(address(1), "update-ticket", 3_599_999));
        assert!(keys.is_news(address(1), "create-ticket", 0) && keys.is_news(address(2), "update-ticket", 0));
        assert!(keys.is_news(address(1), "update-ticket", 3_600_000));
        assert!(keys.is_news(address(1), "update-ticket", -9), "the clock was set back");
        let told = (0..100_000).filter(|number| keys.is_news(address(*number), "update-ticket", 3_600_001)).count();
        assert!(told <= MOST_ADDRESSES + 1, "{told}");
        assert!(keys.told.lock().unwrap().len() <= MOST_ADDRESSES + 1);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_sender() {
        let keys = WrongKeys::default();
        let answered = (0..100u128).filter(|host| {
            let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | host);
            keys.one_more(Some(address.into()), 0) == Verdict::AsEver
        });
        assert_eq!(answered.count(), 20);
        let mapped = "::ffff:192.0.2.1".parse::<IpAddr>().unwrap();
        assert_eq!(network(mapped), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
