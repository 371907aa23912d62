//! What `pivot failover`, `hold` and `release` mean: names in; groups, or why not, out.
//!
//! Without a name all groups are meant, as whoever wants this host out of the way does not want to look names up first. VRRP
//! hands over to nobody in particular: of the hosts that are left the one with the highest priority takes over. So `--to` can
//! only make sure that it is the right one.

use super::config::Config;
use super::config::model::{Group, Holder, Host};
use super::election::Role;

/// How a group stands, as far as this host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What this host is.
    pub role: Role,
    /// Who holds it.
    pub holder: Option<String>,
}

/// Why an order cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There are no groups.
    #[error("no VIP has its holder elected: give VIPs a `group` in the configuration instead of a `holder`")]
    NothingElected,
    /// Nothing has that name.
    #[error("there is no group and no VIP `{name}`; groups: {groups}; VIPs: {vips}")]
    Unknown {
        /// What was named.
        name: String,
        /// What there is.
        groups: String,
        /// What there is.
        vips: String,
    },
    /// The configuration names its holder.
    #[error("VIP `{vip}` is always held by {holder}, by its `holder` in the configuration: change that and reload")]
    Fixed {
        /// The VIP.
        vip: String,
        /// Its holder.
        holder: String,
    },
    /// This host has nothing to hand over.
    #[error("{host} holds nothing of that: {}", ways(.elsewhere, .to.as_deref()))]
    NotHolder {
        /// This host.
        host: String,
        /// The groups that were meant, and who holds them.
        elsewhere: Vec<(String, Option<String>)>,
        /// Whom they were to go to.
        to: Option<String>,
    },
    /// Nobody else could take over.
    #[error("{host} is the only host of the configuration: nobody can take over from it")]
    Alone {
        /// This host.
        host: String,
    },
    /// No such host.
    #[error("there is no host `{to}` that could take over; the others are: {known}")]
    UnknownHost {
        /// What was named.
        to: String,
        /// What there is.
        known: String,
    },
    /// Another host would take over.
    #[error(
        "group `{group}` would go to {}, not to {to}: VRRP hands over to the highest priority; run `pivot hold {group}` on {}, \
         then `pivot failover {group}` here without --to",
        .before.first().map_or("nobody", String::as_str), .before.join(" and on ")
    )]
    NotNext {
        /// The group.
        group: String,
        /// Whom it was to go to.
        to: String,
        /// Who comes before that.
        before: Vec<String>,
    },
}

/// The groups that an order means by a name: of a group, of a VIP or its address; without one all of them.
///
/// # Errors
/// [`OrderError`] if there is none.
pub fn meant<'c>(config: &'c Config, name: Option<&str>) -> Result<Vec<&'c Group>, OrderError> {
    if config.groups.is_empty() && name.is_none() {
        return Err(OrderError::NothingElected);
    }
    let Some(name) = name else { return Ok(config.groups.iter().collect()) };
    if let Some(group) = config.groups.iter().find(|group| group.name == name) {
        return Ok(vec![group]);
    }
    let address = name.parse().ok();
    let vip = config.vips.iter().find(|vip| vip.name == name || Some(vip.address) == address);
    match vip.map(|vip| (vip, &vip.holder)) {
        Some((vip, Holder::Host(host))) => Err(OrderError::Fixed { vip: vip.name.clone(), holder: host.clone() }),
        Some((_, Holder::Group(group))) => Ok(config.groups.iter().filter(|it| it.name == *group).collect()),
        None => {
            let groups = join(config.groups.iter().map(|group| group.name.as_str()));
            let vips = join(config.vips.iter().map(|vip| vip.name.as_str()));
            Err(OrderError::Unknown { name: name.to_owned(), groups, vips })
        }
    }
}

/// The groups that this host is to hand over: of those that are meant the ones that it holds.
///
/// # Errors
/// [`OrderError`] if it holds none of them, or if somebody else than `to` is next. Then nothing is to be done.
pub fn failover<'c>(
    config: &'c Config,
    host: &str,
    name: Option<&str>,
    to: Option<&str>,
    standing: impl Fn(&str) -> Standing,
) -> Result<Vec<&'c Group>, OrderError> {
    let meant = meant(config, name)?;
    let others = || config.hosts.iter().map(|other| other.name.as_str()).filter(|other| *other != host);
    if others().next().is_none() {
        return Err(OrderError::Alone { host: host.to_owned() });
    }
    if let Some(to) = to
        && !others().any(|other| other == to)
    {
        return Err(OrderError::UnknownHost { to: to.to_owned(), known: join(others()) });
    }
    let (held, elsewhere): (Vec<&Group>, Vec<&Group>) =
        meant.into_iter().partition(|group| standing(&group.name).role == Role::Holder);
    if held.is_empty() {
        let elsewhere = elsewhere.iter().map(|group| (group.name.clone(), standing(&group.name).holder)).collect();
        let (host, to) = (host.to_owned(), to.map(str::to_owned));
        return Err(OrderError::NotHolder { host, elsewhere, to });
    }
    for (group, to) in held.iter().filter_map(|group| Some((group, to?))) {
        let line = line(config, group, host);
        let before: Vec<String> =
            line.iter().map(|(other, _)| other.name.clone()).take_while(|other| other != to).collect();
        if !before.is_empty() {
            return Err(OrderError::NotNext { group: group.name.clone(), to: to.to_owned(), before });
        }
    }
    Ok(held)
}

/// The hosts that may take over a group from a host, and their priorities, in the order in which they do by the
/// configuration. What is tracked, and who runs at all, only they themselves know.
#[must_use]
pub fn line<'c>(config: &'c Config, group: &Group, from: &str) -> Vec<(&'c Host, u8)> {
    let vip = config.vips_of(group).next().map(|vip| vip.address);
    let hosts = config.hosts.iter().zip(group.priorities.iter().copied());
    let mut line: Vec<(&Host, u8)> = hosts.filter(|(host, _)| host.name != from).collect();
    // Among equals the higher address wins.
    line.sort_by_key(|(host, priority)| std::cmp::Reverse((*priority, vip.and_then(|vip| host.address_for(vip)))));
    line
}

/// Where the order is to be given instead.
fn ways(elsewhere: &[(String, Option<String>)], to: Option<&str>) -> String {
    let to = to.map(|to| format!(" --to {to}")).unwrap_or_default();
    let way = |(group, holder): &(String, Option<String>)| match holder {
        Some(holder) => format!("{holder} holds group `{group}`, run `pivot failover {group}{to}` there"),
        None => format!("nobody is known to hold group `{group}`, see `pivot vips` on the other hosts"),
    };
    elsewhere.iter().map(way).collect::<Vec<_>>().join("; ")
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config;

    const TEXT: &str = r#"
        [[host]]
        name = "c1"
        address = "10.0.0.11"
        [[host]]
        name = "c2"
        address = "10.0.0.12"
        [[host]]
        name = "c3"
        address = "10.0.0.13"
        [[group]]
        name = "control"
        id = 51
        [[group]]
        name = "public"
        id = 52
        priority = { c1 = 100, c2 = 100, c3 = 100 }
        [[vip]]
        name = "internal"
        address = "10.0.0.100"
        interface = "eth0"
        group = "control"
        [[vip]]
        name = "outside"
        address = "10.0.0.101"
        interface = "eth0"
        group = "public"
        [[vip]]
        name = "fixed"
        address = "10.0.0.102"
        interface = "eth0"
        holder = "c3"
    "#;

    fn config() -> Config {
        config::parse(TEXT, "test.toml").unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn names(groups: Result<Vec<&Group>, OrderError>) -> Result<Vec<String>, String> {
        groups.map(|groups| groups.iter().map(|it| it.name.clone()).collect()).map_err(|error| error.to_string())
    }

    fn meant_by(name: Option<&str>) -> Result<Vec<String>, String> {
        names(meant(&config(), name))
    }

    /// On c1, which holds these groups; c2 holds all others.
    fn failover_of(held: &[&str], name: Option<&str>, to: Option<&str>) -> Result<Vec<String>, String> {
        let standing = |group: &str| match held.contains(&group) {
            true => Standing { role: Role::Holder, holder: Some("c1".to_owned()) },
            false => Standing { role: Role::Backup, holder: Some("c2".to_owned()) },
        };
        names(failover(&config(), "c1", name, to, standing))
    }

    #[test]
    fn a_group_is_meant_by_its_name_by_a_vip_or_by_none() {
        assert_eq!(meant_by(None).unwrap(), ["control", "public"]);
        for name in ["control", "internal", "10.0.0.100"] {
            assert_eq!(meant_by(Some(name)).unwrap(), ["control"], "{name}");
        }
        let unknown = meant_by(Some("contrl")).unwrap_err();
        assert!(unknown.contains("`contrl`") && unknown.contains("groups: control, public"), "{unknown}");
        assert!(meant_by(Some("fixed")).unwrap_err().contains("always held by c3"));
        let none = Config { groups: Vec::new(), ..config() };
        assert_eq!(meant(&none, None), Err(OrderError::NothingElected));
    }

    #[test]
    fn what_this_host_holds_is_handed_over() {
        assert_eq!(failover_of(&["control"], None, None).unwrap(), ["control"]);
        assert_eq!(failover_of(&["control", "public"], None, None).unwrap(), ["control", "public"]);
        assert_eq!(failover_of(&["control", "public"], Some("outside"), None).unwrap(), ["public"]);
        let error = failover_of(&["control"], Some("public"), Some("c3")).unwrap_err();
        let way = "c2 holds group `public`, run `pivot failover public --to c3` there";
        assert_eq!(error, format!("c1 holds nothing of that: {way}"));
        let error = failover_of(&[], None, None).unwrap_err();
        assert!(error.contains("group `control`") && error.contains("group `public`"), "{error}");
    }

    #[test]
    fn it_goes_to_the_next_in_line_and_to_nobody_else() {
        assert_eq!(failover_of(&["control"], None, Some("c2")).unwrap(), ["control"]);
        let error = failover_of(&["control"], None, Some("c3")).unwrap_err();
        assert!(error.starts_with("group `control` would go to c2, not to c3"), "{error}");
        assert!(error.contains("run `pivot hold control` on c2, then"), "{error}");
        // Among equals the higher address is next.
        assert_eq!(failover_of(&["public"], None, Some("c3")).unwrap(), ["public"]);
        for to in ["c1", "c9"] {
            let error = failover_of(&["control"], None, Some(to)).unwrap_err();
            assert_eq!(error, format!("there is no host `{to}` that could take over; the others are: c2, c3"));
        }
    }

    #[test]
    fn a_host_on_its_own_keeps_what_it_has() {
        let mut alone = config();
        alone.hosts.truncate(1);
        let standing = |_: &str| Standing { role: Role::Holder, holder: None };
        let error = failover(&alone, "c1", None, None, standing).unwrap_err();
        assert_eq!(error, OrderError::Alone { host: "c1".to_owned() });
    }
}
