//! The name that an external's marks carry: its first one, whatever it is called later.

use itop_bridge_store::{Instance, Result, Store};

/// The store's name for it.
pub const NAME_IN_MARKS: &str = "name_in_marks";

/// Writes the name down before the external gets another.
pub fn keep_name_in_marks(store: &mut dyn Store, name: &str, name_in_marks: &str) -> Result<()> {
    let of = Instance::External(name.to_owned());
    match store.cursor(&of, NAME_IN_MARKS)?.as_deref() == Some(name_in_marks) {
        true => Ok(()),
        false => store.set_cursor(&of, NAME_IN_MARKS, name_in_marks),
    }
}
