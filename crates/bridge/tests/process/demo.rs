//! The demo as a person runs it: its story comes true, and what `--keep` leaves can be talked to.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

fn demo() -> Command {
    let mut command = Command::new(crate::PROGRAM);
    command.arg("demo").env_remove("RUST_LOG");
    command
}

#[test]
fn the_story_comes_true_and_both_sides_agree() {
    let output = demo().output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "acme R-000118 -> elitery R-001001: [R-000118] Printer says \"PC LOAD LETTER\" & stops",
        "the edit stays: impact is 3 at elitery and 1 at acme",
        "recorded: an edit in the internal iTop was overwritten: impact was \"3\"",
        "pending -> resolved, by ev_assign, ev_resolve",
        "nothing was written",
        "webhooks lost: 1",
        "  | The controller is replaced; within the hour.",
        "  | It is the drive of accounting. When will it be back?",
        "neither log was written to",
        "acme I-000119 has controller.pdf\n",
        "acme R-000120 stays new, and has elitery R-001003 resolved.txt:",
        "  |   Lamp replaced",
        "1 file to elitery, 1 file to acme, 1 log entry to elitery, 1 log entry to acme",
        "status new at acme, where the report says resolved",
        "Both sides agree, and one more pass writes nothing.",
    ] {
        assert!(told.contains(line), "{line:?} in:\n{told}");
    }
    assert!(!told.contains("DIFFERS"), "{told}");
    assert!(!told.contains('\x1b'), "no colours where the output is piped");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_kept_answers_the_printed_commands_and_stops_when_told() {
    let mut kept = Kept::start();
    let commands = kept.read_commands();
    assert_eq!(commands.len(), 8, "{commands:#?}");
    let answers: Vec<String> = commands.iter().map(|command| run(command)).collect();
    for (answer, expected) in answers.iter().zip([
        r#""message":"created""#,
        r#""title":"["#,
        r#""status":"assigned""#,
        r#""status":"assigned""#,
        r#""accepted":true"#,
        r#""side":"external""#,
        r#""error":"wrong_side""#,
        "ok      acme",
    ]) {
        assert!(answer.contains(expected), "{expected} in {answers:#?}");
    }
    assert_eq!(kept.stop("-TERM").code(), Some(0));
}

#[test]
fn an_interrupted_story_says_so_and_leaves_nothing_behind() {
    let mut told = Kept::start();
    let store =
        told.said.by_ref().lines().map(Result::unwrap).find_map(|line| Some(line.split_once("  on ")?.1.to_owned()));
    let store = std::path::PathBuf::from(store.unwrap());
    assert!(store.exists());
    assert_eq!(told.stop("-INT").code(), Some(1));
    assert!(!store.parent().unwrap().exists());
}

/// A demo that was left running; killed where a test ends early.
struct Kept {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Kept {
    fn start() -> Kept {
        let mut process = demo().arg("--keep").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Kept { process, said }
    }

    /// The commands, up to the last line that is printed.
    fn read_commands(&mut self) -> Vec<String> {
        let lines = self.said.by_ref().lines().map(Result::unwrap);
        let until_the_end = lines.take_while(|line| !line.contains("administrator admin"));
        until_the_end.filter(|line| line.starts_with("curl ") || line.ends_with(" check")).collect()
    }

    fn stop(&mut self, signal: &str) -> ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.process.wait().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A question about what the bridge made is asked again for a while: the bridge takes its moment.
fn run(command: &str) -> String {
    let mut answer = String::new();
    for _ in 0..50 {
        let Output { stdout, .. } = Command::new("sh").args(["-c", command]).output().unwrap();
        answer = String::from_utf8(stdout).unwrap();
        let to_come = command.contains("core/get") && (answer.contains("Found: 0") || answer.contains(r#""new""#));
        if !to_come {
            return answer;
        }
        let _ = Command::new("sleep").arg("0.1").status();
    }
    answer
}
