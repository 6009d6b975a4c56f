//! The table as a page (Markdown) that an administrator of that iTop can follow by hand, in English or in Indonesian.
//! It contains no key: pages are sent around.

use std::fmt::Write as _;

use super::wanted::{Account, CONTENT_TYPE, KEY_HEADER, Notification, On, Trigger, Wanted};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// English
    En,
    /// Bahasa Indonesia
    Id,
}

/// The page of the side named `side` in the configuration.
pub fn page(wanted: &Wanted, side: &str, lang: Lang) -> String {
    let words = Words::of(lang);
    let Wanted { name, url, notifications, .. } = wanted;
    let mut page = String::new();
    let title = words.title.replace("{side}", side);
    let intro = words.intro;
    let connection = words.connection.replace("{name}", name).replace("{url}", url);
    let actions = words.actions;
    let _ = writeln!(page, "# {title}\n\n{intro}\n\n## 1. {}\n\n{}\n", words.account_heading, account(wanted, &words));
    let _ = writeln!(page, "## 2. {}\n\n{connection}\n", words.connection_heading);
    let _ = writeln!(page, "## 3. {}\n\n{actions}\n", words.actions_heading);
    let _ = writeln!(page, "```text\n{CONTENT_TYPE}\n{KEY_HEADER}: {}\n```\n\n{}\n", words.key, words.headers);
    let _ = writeln!(page, "| {} | {} | {} |\n| --- | --- | --- |", words.name, words.path, words.payload);
    for notification in notifications.iter().filter(|notification| !notification.triggers.is_empty()) {
        let action = wanted.action_name(notification);
        let _ = writeln!(page, "| {action} | `{}` | `{}` |", notification.path, notification.payload);
    }
    let _ = writeln!(page, "\n## 4. {}\n\n{}\n", words.triggers_heading, words.triggers);
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} |\n| --- | --- | --- | --- | --- |",
        words.kind, words.class, words.more, words.description, words.action
    );
    for notification in notifications {
        for trigger in &notification.triggers {
            let _ = writeln!(page, "{}", row(wanted, notification, trigger, &words));
        }
    }
    let _ = writeln!(page, "\n{}", words.end);
    page
}

fn account(wanted: &Wanted, words: &Words) -> String {
    let Account { user, profiles } = &wanted.account;
    let profiles: Vec<String> = profiles.iter().map(|profile| format!("*{profile}*")).collect();
    let account = match user {
        Some(user) => words.account_with_password.replace("{user}", user),
        None => words.account_with_token.to_owned(),
    };
    format!("{account} {}", words.profiles.replace("{profiles}", &profiles.join(", ")))
}

fn row(wanted: &Wanted, notification: &Notification, trigger: &Trigger, words: &Words) -> String {
    let kind = match trigger.on {
        On::Create => words.on_create,
        On::Update(_) => words.on_update,
        On::Delete => words.on_delete,
        On::StateEnter(_) => words.on_state,
    };
    let own = match &trigger.on {
        On::StateEnter(state) => format!("{}: `{state}`", words.state),
        On::Update(Some(code)) => format!("{}: `{code}`", words.target_fields),
        _ => String::new(),
    };
    let filter = match trigger.filter.as_str() {
        "" => String::new(),
        // A bar would end the cell.
        filter => format!("{}: `{}`", words.filter, filter.replace('|', "\\|")),
    };
    let more: Vec<String> = [own, filter].into_iter().filter(|text| !text.is_empty()).collect();
    format!(
        "| {kind} | {} | {} | {} | {} |",
        trigger.class,
        more.join("; "),
        wanted.trigger_name(notification, trigger),
        wanted.action_name(notification)
    )
}

/// The texts that differ between the languages. The names of iTop's forms stay English, as in its specification.
struct Words {
    title: &'static str,
    intro: &'static str,
    account_heading: &'static str,
    account_with_password: &'static str,
    account_with_token: &'static str,
    profiles: &'static str,
    connection_heading: &'static str,
    connection: &'static str,
    actions_heading: &'static str,
    actions: &'static str,
    key: &'static str,
    headers: &'static str,
    name: &'static str,
    path: &'static str,
    payload: &'static str,
    triggers_heading: &'static str,
    triggers: &'static str,
    kind: &'static str,
    class: &'static str,
    more: &'static str,
    description: &'static str,
    action: &'static str,
    on_create: &'static str,
    on_update: &'static str,
    on_delete: &'static str,
    on_state: &'static str,
    state: &'static str,
    target_fields: &'static str,
    filter: &'static str,
    end: &'static str,
}

impl Words {
    fn of(lang: Lang) -> Words {
        match lang {
            Lang::En => ENGLISH,
            Lang::Id => INDONESIAN,
        }
    }
}

const ENGLISH: Words = Words {
    title: "Webhooks of {side} for itop-bridge",
    intro: "For an administrator of this iTop. It needs the extension *combodo-webhook-integration*. Nothing in iTop's code changes.",
    account_heading: "The bridge's account",
    account_with_password: "*Administration → User Accounts*, a new **iTop User** for the bridge alone: login `{user}`, a person, a password, status *Enabled*. Give the password to the operator of the bridge, apart from this page.",
    account_with_token: "The bridge logs in with the token of an account of its own: *Administration → User Accounts*, a user with a person, status *Enabled*, and a token with the scope *REST/JSON*. Give the token to the operator of the bridge, apart from this page.",
    profiles: "Its profiles: {profiles}, and no administrator's. *Allowed Organizations* stays empty, or has every organization whose tickets the bridge is to see.",
    connection_heading: "The connection",
    connection: "*Configuration → Integrations* (in 3.2 then *Webhooks*), a new **Remote application connection**: name `{name}`, application type *Other / Generic*, environment *Production*, URL `{url}`, without a slash at its end.",
    actions_heading: "The actions",
    actions: "In the same place, a new **Webhook call (generic)** for each line of the table. Status *In production*, the connection of step 2, method *POST*, name, path and payload from the table, and exactly these two lines as headers:",
    key: "the key of this side",
    headers: "The key is given to you apart from this page. Spell the first line just so: only then does iTop 3.2 escape the values that it puts into a payload. Keep the payloads as they are printed, with ids only: with a quote in a title iTop 3.1 sends nothing at all.",
    name: "name",
    path: "path",
    payload: "payload",
    triggers_heading: "The triggers",
    triggers: "*Configuration → Notifications*, a new **trigger** for each line, with its action under *Triggered actions*. *Filter* and *Context* stay empty where the table has none.",
    kind: "trigger",
    class: "target class",
    more: "more",
    description: "description",
    action: "action",
    on_create: "on object creation",
    on_update: "on object update",
    on_delete: "on object deletion",
    on_state: "on entering a state",
    state: "state",
    target_fields: "target fields",
    filter: "filter",
    end: "`itop-bridge setup` recognises webhooks that were made from this page, and makes none twice.",
};

const INDONESIAN: Words = Words {
    title: "Webhook {side} untuk itop-bridge",
    intro: "Untuk administrator iTop ini. Ekstensi *combodo-webhook-integration* harus terpasang. Kode iTop tidak diubah sama sekali.",
    account_heading: "Akun bridge",
    account_with_password: "*Administration → User Accounts*, buat **iTop User** baru khusus untuk bridge: login `{user}`, sebuah person, kata sandi, status *Enabled*. Serahkan kata sandinya kepada pengelola bridge, terpisah dari halaman ini.",
    account_with_token: "Bridge masuk dengan token dari akunnya sendiri: *Administration → User Accounts*, sebuah user dengan person, status *Enabled*, dan token dengan scope *REST/JSON*. Serahkan tokennya kepada pengelola bridge, terpisah dari halaman ini.",
    profiles: "Profilnya: {profiles}, tanpa profil administrator. *Allowed Organizations* dibiarkan kosong, atau diisi dengan setiap organisasi yang tiketnya boleh dilihat bridge.",
    connection_heading: "Koneksi",
    connection: "*Configuration → Integrations* (di 3.2 lalu *Webhooks*), buat **Remote application connection** baru: nama `{name}`, jenis aplikasi *Other / Generic*, environment *Production*, URL `{url}`, tanpa garis miring di akhir.",
    actions_heading: "Action",
    actions: "Di tempat yang sama, buat **Webhook call (generic)** baru untuk setiap baris tabel. Status *In production*, koneksi dari langkah 2, method *POST*, nama, path dan payload dari tabel, dan header tepat dua baris ini:",
    key: "kunci sisi ini",
    headers: "Kunci diberikan terpisah dari halaman ini. Tulis baris pertama persis seperti itu: hanya dengan begitu iTop 3.2 meng-escape nilai yang ditaruhnya ke dalam payload. Biarkan payload seperti tercetak, hanya berisi id: bila ada tanda kutip dalam judul, iTop 3.1 tidak mengirim apa pun.",
    name: "nama",
    path: "path",
    payload: "payload",
    triggers_heading: "Trigger",
    triggers: "*Configuration → Notifications*, buat **trigger** baru untuk setiap baris, dengan action-nya di *Triggered actions*. *Filter* dan *Context* tetap kosong bila tabel tidak mengisinya.",
    kind: "trigger",
    class: "kelas target",
    more: "lainnya",
    description: "deskripsi",
    action: "action",
    on_create: "saat objek dibuat (on object creation)",
    on_update: "saat objek diubah (on object update)",
    on_delete: "saat objek dihapus (on object deletion)",
    on_state: "saat memasuki status (on entering a state)",
    state: "status",
    target_fields: "target fields",
    filter: "filter",
    end: "`itop-bridge setup` mengenali webhook yang dibuat menurut halaman ini, dan tidak membuat satu pun dua kali.",
};
