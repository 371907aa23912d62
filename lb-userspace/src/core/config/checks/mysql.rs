//! The options of a MySQL check.

use super::super::model::{CheckPassword, MysqlCheck, MysqlLogin, ReadOnly, Secret};
use super::super::reader::{Entry, Table};
use super::super::report::Report;
use super::super::values;
use super::{both, plain};

pub(super) const KEYS: [&str; 6] = ["user", "password", "password_file", "wsrep", "donor_ok", "read_only"];
/// Those that mean nothing without `user`.
const OF_USER: [&str; 5] = ["password", "password_file", "wsrep", "donor_ok", "read_only"];

/// Longest name of an account, and longest password, in bytes.
const TEXT_MAX: usize = 512;

/// What was given of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    user: Option<String>,
    password: Option<CheckPassword>,
    wsrep: Option<bool>,
    donor_ok: Option<bool>,
    read_only: Option<ReadOnly>,
}

/// Reads them; what is left out is as in `base`.
pub(super) fn read(check: &Table<'_>, base: Settings, report: &mut Report<'_>) -> Settings {
    let user = check.optional("user");
    if user.is_none() && base.user.is_none() {
        let help = "add `user`: without an account, the check only sees whether the server greets";
        check.refuse(&OF_USER, help, report);
        return base;
    }
    let password = if both(check, "password", "password_file", report) {
        None
    } else if let Some(given) = check.optional("password") {
        text(given, "the password", report).map(|text| CheckPassword::Given(Secret(text)))
    } else {
        check.optional("password_file").and_then(|e| values::path(e, report)).map(CheckPassword::File)
    };
    let mut flag = |key: &str| check.optional(key).and_then(|e| e.boolean(report));
    let (wsrep, donor_ok) = (flag("wsrep"), flag("donor_ok"));
    Settings {
        user: user.and_then(|e| text(e, "the name of an account", report)).or(base.user),
        password: password.or(base.password),
        wsrep: wsrep.or(base.wsrep),
        donor_ok: donor_ok.or(base.donor_ok),
        read_only: check.optional("read_only").and_then(|e| read_only(e, report)).or(base.read_only),
    }
}

fn read_only(entry: Entry<'_>, report: &mut Report<'_>) -> Option<ReadOnly> {
    let words = [ReadOnly::Off, ReadOnly::On, ReadOnly::Any].map(|value| (value.name(), value));
    values::choice(entry, &words, &[], "", report).map(|at| at.value)
}

/// A text that fits into a packet. It is not repeated in an error: it may be a secret.
fn text(entry: Entry<'_>, what: &str, report: &mut Report<'_>) -> Option<String> {
    let fault = |text: &str| match text.len() {
        0 => Some("is empty".to_owned()),
        long if long > TEXT_MAX => Some(format!("has {long} bytes")),
        _ if text.contains('\0') => Some("contains a NUL, at which it would end".to_owned()),
        _ => None,
    };
    let help = format!("write {what}, 1 to {TEXT_MAX} bytes, or leave it out");
    plain(entry, fault, &help, report).map(|at| at.value.to_owned())
}

impl Settings {
    pub(super) fn into_check(self) -> MysqlCheck {
        let password = self.password.unwrap_or(CheckPassword::Empty);
        MysqlCheck {
            login: self.user.map(|user| MysqlLogin { user, password }),
            wsrep: self.wsrep,
            donor_ok: self.donor_ok.unwrap_or(false),
            read_only: self.read_only.unwrap_or_default(),
        }
    }
}
