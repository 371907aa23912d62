//! The ways in which hosts can speak of one virtual router: version, family, to all at once or one by one, password.

use std::fmt::Write as _;
use std::time::Duration;

use lb_userspace::core::vrrp::advert::Version;
use pivot_tests::lab::keepalived::Settings;
use pivot_tests::lab::{ConfigText, Family, Lab, Node};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) version: Version,
    pub(crate) family: Family,
    pub(crate) unicast: bool,
    pub(crate) password: Option<&'static str>,
}

/// What one router is told for itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rank {
    pub(crate) priority: u8,
    pub(crate) preempt: bool,
}

/// Number of the virtual router.
pub(crate) const VRID: u8 = 51;

/// The better one.
pub(crate) const BETTER: Rank = Rank { priority: 150, preempt: true };

/// The worse one.
pub(crate) const WORSE: Rank = Rank { priority: 100, preempt: true };

/// A better one that leaves a worse one alone.
pub(crate) const PATIENT: Rank = Rank { priority: 150, preempt: false };

/// The password of those that have one.
pub(crate) const SECRET: &str = "secret";

pub(crate) const V2: Dialect = Dialect { version: Version::V2, family: Family::V4, unicast: false, password: None };
pub(crate) const V3: Dialect = Dialect { version: Version::V3, ..V2 };
pub(crate) const V3_IPV6: Dialect = Dialect { family: Family::V6, ..V3 };

impl Dialect {
    /// To one by one.
    pub(crate) const fn unicast(self) -> Self {
        Self { unicast: true, ..self }
    }

    /// With this password.
    pub(crate) const fn with(self, password: &'static str) -> Self {
        Self { password: Some(password), ..self }
    }

    /// Time between two messages: as short as version 2 has it; for version 3, so long that a busy machine keeps it.
    pub(crate) fn advert(self) -> Duration {
        match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => Duration::from_millis(200),
        }
    }

    /// pivot's configuration; ranks of the hosts in their order. They preempt if the first does.
    pub(crate) fn pivot(self, lab: &Lab, ranks: &[Rank]) -> ConfigText {
        let Self { version, family, unicast, password } = self;
        let mut lines = format!("advert = \"{}ms\"\nunicast = {unicast}", self.advert().as_millis());
        let priorities = lab.hosts().zip(ranks).map(|(host, rank)| format!("{} = {}", host.name, rank.priority));
        write!(lines, "\npriority = {{ {} }}", priorities.collect::<Vec<_>>().join(", ")).unwrap();
        // keepalived may step down without a word, and then this is what mends the clients' tables.
        lines += "\nannounce_every = \"1s\"";
        write!(lines, "\npreempt = {}\nversion = {}", ranks[0].preempt, version.number()).unwrap();
        if let Some(password) = password {
            write!(lines, "\npassword = {password:?}").unwrap();
        }
        ConfigText::new(lab, "c1").of(family).elected(&lines)
    }

    /// keepalived's, on a host.
    pub(crate) fn keepalived(self, lab: &Lab, host: &Node, rank: Rank) -> Settings {
        let Self { version, family, unicast, password } = self;
        let others = lab.hosts().filter(|other| other.name != host.name);
        let peers = others.map(|other| other.address_in(family)).collect();
        Settings {
            version,
            vrid: VRID,
            interface: host.interface.to_owned(),
            advert: self.advert(),
            priority: rank.priority,
            preempt: rank.preempt,
            unicast: unicast.then(|| (host.address_in(family), peers)),
            password: password.map(str::to_owned),
            vips: vec![family.vip()],
        }
    }
}
