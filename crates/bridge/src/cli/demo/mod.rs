//! `demo`: a story of tickets between two simulated iTops, with the real bridge between them, over sockets of this
//! machine and on a SQLite of its own. Everything it prints is measured or read back; an effect that fails to come
//! ends it with a fault.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use itop_bridge_engine::random::{Random, SystemRandom};
use tracing::subscriber::NoSubscriber;

use super::serve::signalled;
use super::{Outcome, block_on};

mod keep;
mod narrator;
mod proof;
mod stage;
mod story;

use narrator::Narrator;
use stage::Stage;

/// See the bridge at work: two simulated iTops, a story, and a proof at the end that both agree.
///
/// Needs nothing and leaves nothing behind. Ends with 0 only if both sides agree and one more pass over everything writes
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  itop-bridge demo --keep")]
pub(super) struct Demo {
    /// Leave the two iTops and the bridge running, and print how to talk to them, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(demo: &Demo, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    // One thread, so that the whole bridge's log can be silenced during the story.
    let folder = Folder::new(&SystemRandom)?;
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    block_on(perform(demo, folder.path(), &mut Narrator::new(out, colours)))?
}

async fn perform(demo: &Demo, folder: &Path, say: &mut Narrator<'_>) -> anyhow::Result<Outcome> {
    let quiet = std::env::var_os("RUST_LOG").is_none().then(|| tracing::subscriber::set_default(NoSubscriber::new()));
    let stage = Stage::start(folder).await?;
    let proven = tokio::select! {
        proven = tell(&stage, say) => proven?,
        () = signalled() => bail!("stopped before the end of the story"),
    };
    drop(quiet);
    if demo.keep {
        keep::explain(&stage, say)?;
        signalled().await;
    }
    stage.stop().await;
    Ok(if proven { Outcome::Fine } else { Outcome::FaultFound })
}

async fn tell(stage: &Stage, say: &mut Narrator<'_>) -> anyhow::Result<bool> {
    say.opening(stage)?;
    story::play(stage, say).await?;
    proof::prove(stage, say).await
}

/// A folder of the demo's own for the store and the configuration, removed when this value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(random: &dyn Random) -> anyhow::Result<Folder> {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let name = format!("itop-bridge-demo-{:016x}", u64::from_le_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Folder(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed now is left to the system's cleaning of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
