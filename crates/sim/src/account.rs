//! Who may log in, how, and what for.

use std::collections::BTreeSet;

use crate::oql::Asker;
use crate::rules::Language;

/// What an account wants to do with a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    Read,
    Write,
    Delete,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub login: String,
    pub password: String,
    /// For the header `Auth-Token`.
    pub token: Option<String>,
    pub user_id: u64,
    pub contact_id: u64,
    /// What a case log shows as its `user_login`.
    pub display_name: String,
    pub is_admin: bool,
    /// Holds the profile *REST Services User*.
    pub may_use_rest: bool,
    pub language: Language,
    denied: BTreeSet<(String, Right)>,
    allowed: BTreeSet<(String, Right)>,
}

/// Closed to everyone but administrators.
const ADMIN_ONLY: [&str; 7] = ["User", "CMDBChange", "CMDBChangeOp", "Event", "Action", "Trigger", "lnkTriggerAction"];

impl Account {
    pub fn new(login: &str, password: &str, user_id: u64, contact_id: u64, display_name: &str) -> Self {
        Self {
            login: login.into(),
            password: password.into(),
            token: None,
            user_id,
            contact_id,
            display_name: display_name.into(),
            is_admin: false,
            may_use_rest: true,
            language: Language::default(),
            denied: BTreeSet::new(),
            allowed: BTreeSet::new(),
        }
    }

    pub fn asker(&self) -> Asker {
        Asker { user_id: self.user_id, contact_id: self.contact_id }
    }

    /// Takes a right away that the profile would give.
    pub fn deny(&mut self, class: &str, right: Right) {
        self.allowed.remove(&(class.to_owned(), right));
        self.denied.insert((class.to_owned(), right));
    }

    /// Gives a right that the profile does not have.
    pub fn allow(&mut self, class: &str, right: Right) {
        self.denied.remove(&(class.to_owned(), right));
        self.allowed.insert((class.to_owned(), right));
    }

    /// `root` is the topmost superclass of `class`.
    pub fn may(&self, right: Right, class: &str, root: &str) -> bool {
        let key = (class.to_owned(), right);
        if self.denied.contains(&key) {
            return false;
        }
        if self.is_admin || self.allowed.contains(&key) {
            return true;
        }
        if ADMIN_ONLY.contains(&root) || class == "InlineImage" || class == "ModuleInstallation" {
            return false;
        }
        match right {
            Right::Read => true,
            // A support agent: requests, incidents and files, no changes.
            Right::Write => matches!(class, "UserRequest" | "Incident" | "Attachment"),
            Right::Delete => class == "Attachment",
        }
    }
}
