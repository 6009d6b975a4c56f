//! Shared by the tests of the built binary: an iTop on a socket, and the process.

use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use itop_sim::{Sim, SimConfig, Version, WallClock};
use tokio::net::TcpListener;

pub async fn itop(version: Version, first: u64) -> (Sim, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut config = SimConfig::new(version, &url);
    config.first_ids.ticket = first;
    config.first_ids.reference = first;
    config.clock = WallClock::from(1_795_518_000);
    let sim = Sim::new(config);
    tokio::spawn(sim.clone().serve(listener));
    (sim, url)
}

/// A port for a bridge that is started later, perhaps several times. It lies below those that systems give to outgoing
/// connections, so that no test beside this one gets it meanwhile.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + number % 10_000).expect("below 30,000");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The process, which is killed when a test ends in any way.
pub struct Bridge {
    pub child: Child,
}

impl Bridge {
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        for _ in 0..400 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process did not end");
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
