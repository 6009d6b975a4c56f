//! The sample data of a fresh iTop: organisations, persons, teams, services. The ids and names
//! that the recordings show are the recorded ones; the rest fills up.

use crate::change::blank;
use crate::value::{Object, Value};
use crate::world::World;

const ORGANIZATIONS: [(u64, &str); 3] = [(1, "My Company/Department"), (2, "IT Department"), (3, "Demo")];

/// id, first name, name, e-mail, organisation
const PERSONS: [(u64, &str, &str, &str, u64); 9] = [
    (1, "My first name", "My last name", "my.email@foo.org", 1),
    (6, "Claude", "Monet", "claude.monet@demo.com", 3),
    (7, "Auguste", "Renoir", "auguste.renoir@demo.com", 3),
    (8, "Berthe", "Morisot", "berthe.morisot@demo.com", 3),
    (9, "Jules", "Verne", "jules.vernes@it.com", 2),
    (10, "Victor", "Hugo", "victor.hugo@it.com", 2),
    (11, "Alexandre", "Dumas", "alexandre.dumas@it.com", 2),
    (12, "Agatha", "Christie", "agatha.christie@it.com", 2),
    (40, "Ticket", "Bridge", "bridge@example.com", 2),
];

const TEAMS: [(u64, &str); 2] = [(37, "Helpdesk"), (38, "Hardware support")];

/// Team, person.
const MEMBERS: [(u64, u64); 4] = [(37, 9), (37, 10), (38, 11), (38, 12)];

const SERVICES: [(u64, &str); 3] = [(1, "Computers and peripherals"), (2, "Software"), (3, "Telecom and connectivity")];

/// id, name, service, request type
const SUBCATEGORIES: [(u64, &str, u64, &str); 6] = [
    (1, "New laptop ordering", 1, "service_request"),
    (2, "Repair", 1, "incident"),
    (3, "Software Installation / Upgrade", 2, "service_request"),
    (4, "Installation", 2, "service_request"),
    (5, "Microsoft Office Support", 2, "service_request"),
    (6, "Network Troubleshooting", 3, "incident"),
];

const REMOTE_APPLICATION_TYPES: [(u64, &str); 6] = [
    (48, "iTop"),
    (49, "Slack"),
    (50, "Rocket.Chat"),
    (51, "Google Chat"),
    (52, "Microsoft Teams"),
    (53, "Other / Generic"),
];

/// Login, person.
const USERS: [(u64, &str, u64); 3] = [(1, "admin", 1), (2, "bridge", 40), (3, "jules", 9)];

pub fn fill(world: &mut World) {
    for (id, name) in ORGANIZATIONS {
        add(world, "Organization", id, &[("name", text(name)), ("code", text(name))]);
    }
    for (id, first_name, name, email, org) in PERSONS {
        let values = [
            ("first_name", text(first_name)),
            ("name", text(name)),
            ("email", text(email)),
            ("org_id", Value::Key(org)),
        ];
        add(world, "Person", id, &values);
    }
    for (id, name) in TEAMS {
        let email = text(&format!("{}@it.com", name.to_lowercase().replace(' ', ".")));
        add(world, "Team", id, &[("name", text(name)), ("email", email), ("org_id", Value::Key(2))]);
    }
    for (id, (team, person)) in (1..).zip(MEMBERS) {
        add(world, "lnkPersonToTeam", id, &[("team_id", Value::Key(team)), ("person_id", Value::Key(person))]);
    }
    for (id, name) in SERVICES {
        add(world, "Service", id, &[("name", text(name)), ("org_id", Value::Key(2))]);
    }
    for (id, name, service, request_type) in SUBCATEGORIES {
        let values = [("name", text(name)), ("service_id", Value::Key(service)), ("request_type", text(request_type))];
        add(world, "ServiceSubcategory", id, &values);
    }
    for (id, name) in REMOTE_APPLICATION_TYPES {
        add(world, "RemoteApplicationType", id, &[("name", text(name))]);
    }
    for (id, login, person) in USERS {
        add(world, "User", id, &[("login", text(login)), ("contactid", Value::Key(person))]);
    }
}

fn add(world: &mut World, class: &str, id: u64, values: &[(&str, Value)]) {
    let mut object: Object = blank(world.class(class));
    object.id = id;
    for (code, value) in values {
        object.set(code, value.clone());
    }
    world.put(object);
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
