//! An observer of a client's calls: it is told how each one ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Asked, ErrorClass};

/// How one call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd<'a> {
    pub asked: &'a Asked,
    /// From the sending of the call to the end of its answer, without the wait for a place or for memory.
    pub took: Duration,
    /// The class of the call's error, if it ended with one.
    pub error: Option<&'a ErrorClass>,
}

/// Called at the end of each call that was sent. It must not block.
#[derive(Clone)]
pub struct Observer(pub(super) Arc<dyn Fn(CallEnd<'_>) + Send + Sync>);

impl Observer {
    pub fn new(told: impl Fn(CallEnd<'_>) + Send + Sync + 'static) -> Observer {
        Observer(Arc::new(told))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
