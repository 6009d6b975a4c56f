//! The bridge's address for the iTops. Nothing listens there before `serve` runs, so only two things can be tested:
//! whether the address resolves from here, and whether the iTops' own machines would take it for themselves. Neither
//! is proof, since an iTop may know a name or a tunnel that this machine does not: a doubt is reported, and the
//! address may be used all the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::address::of_address;
use super::questions::Questions;
use crate::checks::is_loopback;
use crate::config::address;

/// The default address to listen on.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A name server that takes longer does not know the name.
const PATIENCE: Duration = Duration::from_secs(5);

impl Questions<'_> {
    /// The address to listen on for this public URL. If the URL is this machine's own, its port.
    pub(super) fn listen(&mut self, public_url: &str, notes: &mut Vec<String>) -> anyhow::Result<SocketAddr> {
        if let Some(listen) = self.flags.listen {
            return Ok(listen);
        }
        let Some(listen) = own_port(public_url).filter(|own| *own != LISTEN) else { return Ok(LISTEN) };
        let note =
            format!("the bridge listens on {listen}, where {public_url} leads; --listen chooses another address");
        match self.dialogue.has_person() {
            true => self.dialogue.say(&note)?,
            false => notes.push(note),
        }
        Ok(listen)
    }

    /// The address, and notes on it if nobody can be asked. If the address is refused, another is asked for, even if
    /// a flag gave it.
    pub(super) async fn public_url(&mut self, itops: &[&str]) -> anyhow::Result<(String, Vec<String>)> {
        let question = "How do both iTops reach the bridge?";
        let offered = format!("http://{}", self.flags.listen.unwrap_or(LISTEN));
        loop {
            let given = self.flags.public_url.clone();
            let url = self.text(given, "--public-url", question, Some(&offered), |text| {
                address(text).map_err(|wrong| of_address(text, &wrong))
            })?;
            let Some(doubt) = doubt(&url, itops).await else { return Ok((url, Vec::new())) };
            if !self.dialogue.has_person() {
                return Ok((url, vec![doubt]));
            }
            self.dialogue.say(&doubt)?;
            if self.dialogue.agree("--public-url, doubted", "Take it all the same?", false)? {
                return Ok((url, Vec::new()));
            }
            self.flags.public_url = None;
            self.dialogue.offer("--public-url", url);
        }
    }
}

/// The address of this machine that a `public_url` leads to directly.
fn own_port(public_url: &str) -> Option<SocketAddr> {
    let url = url::Url::parse(public_url).ok().filter(|url| url.scheme() == "http" && url.path() == "/")?;
    let ip = match url.host().filter(|_| is_loopback(&url))? {
        url::Host::Ipv4(ip) => ip.into(),
        url::Host::Ipv6(ip) => ip.into(),
        url::Host::Domain(_) => Ipv4Addr::LOCALHOST.into(),
    };
    Some(SocketAddr::new(ip, url.port_or_known_default()?))
}

pub(super) async fn doubt(url: &str, itops: &[&str]) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    if is_this_machine(&url) {
        let remote = itops.iter().filter_map(|itop| url::Url::parse(itop).ok()).find(|itop| !is_this_machine(itop))?;
        let remote = remote.host_str()?;
        return Some(format!(
            "{host} is each machine's name for itself: {remote} looks for the bridge on its own machine"
        ));
    }
    let looked_up = tokio::net::lookup_host((host.trim_matches(['[', ']']), 0));
    let leads_anywhere = match tokio::time::timeout(PATIENCE, looked_up).await {
        Ok(Ok(mut found)) => found.next().is_some(),
        Ok(Err(_)) | Err(_) => false,
    };
    (!leads_anywhere).then(|| format!("{host} leads to no address from this machine"))
}

fn is_this_machine(url: &url::Url) -> bool {
    let is_unspecified = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_unspecified(),
        Some(url::Host::Domain(_)) | None => false,
    };
    is_unspecified || is_loopback(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_tells_where_to_listen() {
        let listen = |url: &str| own_port(url).map(|own| own.to_string());
        assert_eq!(listen("http://127.0.0.1:18080").as_deref(), Some("127.0.0.1:18080"));
        assert_eq!(listen("http://localhost").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(listen("http://[::1]:9000").as_deref(), Some("[::1]:9000"));
        for through_a_web_server in ["https://127.0.0.1:8443", "http://127.0.0.1/bridge", "http://192.0.2.1:8080"] {
            assert_eq!(listen(through_a_web_server), None);
        }
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_doubted_where_an_itop_is_elsewhere() {
        let (here, there) = ("http://127.0.0.1:8131", "https://itop.example/itop");
        for url in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "http://0.0.0.0:8080"] {
            assert_eq!(doubt(url, &[here, here]).await, None, "{url}");
            let said = doubt(url, &[here, there]).await.unwrap();
            assert!(
                said.ends_with(
                    "is each machine's name for itself: itop.example looks for the bridge on its own machine"
                ),
                "{said}"
            );
        }
        assert_eq!(doubt("http://192.0.2.1:8080", &[there]).await, None);
        assert_eq!(doubt("http://[2001:db8::1]:8080", &[there]).await, None);
    }
}
