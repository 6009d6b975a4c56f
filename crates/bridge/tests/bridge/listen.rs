//! Listens to what the bridge logs.

use std::sync::{Arc, Mutex, Once};

/// What this thread logs.
pub struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

/// Somebody listens to every line for as long as the tests run. Where a line is met first by a thread to which nobody
/// listens, tracing may keep it from the one that a test listens to.
static LISTENING: Once = Once::new();

impl Log {
    pub fn kept() -> Log {
        LISTENING.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry()).expect("the first of all");
        });
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = written.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Sink(sink.clone())).finish();
        Log { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines with this text.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let all = String::from_utf8(self.written.lock().unwrap().clone()).unwrap();
        all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
