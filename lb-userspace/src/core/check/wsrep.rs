//! Which MySQL and MariaDB servers are fit, by what they say of themselves.
//!
//! In: their variables and status, by name. Out: in what state they are, or why they are not fit. A member of a Galera cluster is
//! one whose `wsrep_on` is ON.

use std::collections::BTreeMap;

use crate::core::config::model::{MysqlCheck, ReadOnly};

/// Asks for the variables that are judged. Also a member without a primary component answers SHOW.
pub const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'wsrep_on')";
/// Asks for the status of a member.
pub const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_local_state', \
                          'wsrep_local_state_comment', 'wsrep_ready')";

/// `wsrep_local_state` of a member that takes part in everything.
const SYNCED: &str = "4";
/// That of a member that gives its state to another, or was desynchronised by hand.
const DONOR: &str = "2";

/// What a server said, by lower-case name.
pub type Said = BTreeMap<String, String>;

/// Whether the status of a member is to be asked for.
#[must_use]
pub fn wants_status(check: &MysqlCheck, said: &Said) -> bool {
    check.wsrep.unwrap_or_else(|| is_on(said, "wsrep_on"))
}

/// The state that a server is in.
///
/// # Errors
/// Why it is not fit.
pub fn judge(check: &MysqlCheck, said: &Said) -> Result<String, String> {
    let state = if wants_status(check, said) { Some(member(check, said)?) } else { None };
    let writes = writes(check.read_only, said)?;
    Ok(match state {
        Some(state) => format!("{state}, {writes}"),
        None => writes.to_owned(),
    })
}

/// A member of a Galera cluster: its state in words.
fn member(check: &MysqlCheck, said: &Said) -> Result<String, String> {
    if !is_on(said, "wsrep_on") {
        return Err(format!("wsrep_on is {}: this is no member of a Galera cluster", value(said, "wsrep_on")));
    }
    // The cause first: a member without a primary component is neither ready nor synchronised.
    let status = value(said, "wsrep_cluster_status");
    if status != "Primary" {
        return Err(format!("wsrep_cluster_status is {status}, expected Primary"));
    }
    let (state, comment) = (value(said, "wsrep_local_state"), value(said, "wsrep_local_state_comment"));
    let is_fit = state == SYNCED || (state == DONOR && check.donor_ok);
    if !is_fit {
        return Err(format!("wsrep_local_state is {state} ({comment})"));
    }
    if !is_on(said, "wsrep_ready") {
        return Err(format!("wsrep_ready is {}", value(said, "wsrep_ready")));
    }
    Ok(comment.to_owned())
}

/// Whether it takes writes, in words.
fn writes(expected: ReadOnly, said: &Said) -> Result<&'static str, String> {
    let read_only = value(said, "read_only");
    // MariaDB 12 knows more values than two; all but these are kinds of read-only.
    let takes_writes = ["OFF", "0"].contains(&read_only);
    match (expected, takes_writes) {
        (ReadOnly::Off, false) => Err(format!("read_only is {read_only}")),
        (ReadOnly::On, true) => Err(format!("read_only is {read_only}, expected ON")),
        (_, true) => Ok("takes writes"),
        (_, false) => Ok("read-only"),
    }
}

fn is_on(said: &Said, name: &str) -> bool {
    ["ON", "1"].contains(&value(said, name))
}

fn value<'s>(said: &'s Said, name: &str) -> &'s str {
    said.get(name).map_or("not known here", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A synchronised member that takes writes, but for what is given.
    fn said(changes: &[(&str, &str)]) -> Said {
        let healthy = [
            ("read_only", "OFF"),
            ("wsrep_on", "ON"),
            ("wsrep_cluster_status", "Primary"),
            ("wsrep_local_state", "4"),
            ("wsrep_local_state_comment", "Synced"),
            ("wsrep_ready", "ON"),
        ];
        healthy.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn alone(read_only: &str) -> Said {
        [("read_only", read_only), ("wsrep_on", "OFF")].map(|(n, v)| (n.to_owned(), v.to_owned())).into()
    }

    fn check(wsrep: Option<bool>, donor_ok: bool, read_only: ReadOnly) -> MysqlCheck {
        MysqlCheck { login: None, wsrep, donor_ok, read_only }
    }

    #[test]
    fn a_synchronised_member_passes() {
        assert_eq!(judge(&MysqlCheck::default(), &said(&[])), Ok("Synced, takes writes".into()));
    }

    #[test]
    fn a_member_that_is_not_fit_says_why() {
        let donor = [("wsrep_local_state", "2"), ("wsrep_local_state_comment", "Donor/Desynced")];
        let joiner = [("wsrep_local_state", "1"), ("wsrep_local_state_comment", "Joining")];
        for (changes, why) in [
            (&donor[..], "wsrep_local_state is 2 (Donor/Desynced)"),
            (&joiner, "wsrep_local_state is 1 (Joining)"),
            (&[("wsrep_cluster_status", "non-Primary")], "wsrep_cluster_status is non-Primary, expected Primary"),
            (&[("wsrep_ready", "OFF")], "wsrep_ready is OFF"),
            (&[("read_only", "ON")], "read_only is ON"),
            (&[("read_only", "NO_LOCK")], "read_only is NO_LOCK"),
        ] {
            assert_eq!(judge(&MysqlCheck::default(), &said(changes)), Err(why.into()));
        }
        let forgiving = check(None, true, ReadOnly::Off);
        assert_eq!(judge(&forgiving, &said(&donor)), Ok("Donor/Desynced, takes writes".into()));
        assert!(judge(&forgiving, &said(&joiner)).is_err());
    }

    #[test]
    fn what_is_no_member_is_judged_as_one_only_if_it_must_be() {
        assert_eq!(judge(&MysqlCheck::default(), &alone("OFF")), Ok("takes writes".into()));
        let must = judge(&check(Some(true), false, ReadOnly::Off), &alone("OFF"));
        assert_eq!(must, Err("wsrep_on is OFF: this is no member of a Galera cluster".into()));
        let mysql = Said::from([("read_only".to_owned(), "OFF".to_owned())]);
        let must = judge(&check(Some(true), false, ReadOnly::Off), &mysql);
        assert_eq!(must, Err("wsrep_on is not known here: this is no member of a Galera cluster".into()));
        let never = check(Some(false), false, ReadOnly::Off);
        assert_eq!(judge(&never, &said(&[("wsrep_ready", "OFF")])), Ok("takes writes".into()));
        assert!(!wants_status(&never, &said(&[])) && wants_status(&MysqlCheck::default(), &said(&[])));
    }

    #[test]
    fn read_only_is_as_expected() {
        for (expected, read_only, verdict) in [
            (ReadOnly::Any, "ON", Ok("read-only")),
            (ReadOnly::Any, "OFF", Ok("takes writes")),
            (ReadOnly::On, "ON", Ok("read-only")),
            (ReadOnly::On, "OFF", Err("read_only is OFF, expected ON")),
            (ReadOnly::Off, "1", Err("read_only is 1")),
        ] {
            let judged = judge(&check(None, false, expected), &alone(read_only));
            assert_eq!(judged, verdict.map(str::to_owned).map_err(str::to_owned), "{expected:?} {read_only}");
        }
        let silent = judge(&MysqlCheck::default(), &Said::new());
        assert_eq!(silent, Err("read_only is not known here".into()));
    }
}
