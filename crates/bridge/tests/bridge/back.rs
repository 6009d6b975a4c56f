//! The way back: what happens on the provider's ticket, if it came from outside, is told to the customer's.

mod apply;
mod files;
mod modes;
mod notice;
mod odd_files;
mod removed;
mod report;
mod said;

pub use apply::OUTSIDE;
use itop_bridge_testkit::world::*;
use itop_sim::Attachment;

/// The files of acme's ticket, but for the report.
fn files_outside(world: &World, ticket: u64) -> Vec<Attachment> {
    let files = world.acme().attachments(ticket).into_iter();
    files.filter(|file| !file.temp_id.ends_with(":internal:status:report")).collect()
}

fn names_outside(world: &World, ticket: u64) -> Vec<String> {
    files_outside(world, ticket).into_iter().map(|file| file.filename).collect()
}

/// The files of acme's ticket that tell of the provider's status.
fn reports(world: &World, ticket: u64) -> Vec<Attachment> {
    let files = world.acme().attachments(ticket).into_iter();
    files.filter(|file| file.temp_id.ends_with(":internal:status:report")).collect()
}

fn text_of(file: &Attachment) -> String {
    String::from_utf8(file.data.to_vec()).expect("a text file")
}

/// The one report, which must be there.
fn report(world: &World, ticket: u64) -> Attachment {
    let [report] = &reports(world, ticket)[..] else { panic!("{:?}", reports(world, ticket)) };
    report.clone()
}

/// What the report says below its head.
fn lines(world: &World, ticket: u64) -> Vec<String> {
    let text = text_of(&report(world, ticket));
    let (_, lines) = text.split_once("\n\n").expect("a head and lines");
    lines.lines().map(str::to_owned).collect()
}

/// The states that the report names, newest first: what agents wrote is set in below them.
fn told(world: &World, ticket: u64) -> Vec<String> {
    let states = lines(world, ticket).into_iter().filter(|line| !line.starts_with("  "));
    states.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
}
