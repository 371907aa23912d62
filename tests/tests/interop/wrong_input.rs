//! Messages that are wrong are told once and ignored, however often they come: the holder holds on, the backup waits on.
//!
//! A host that is no part of the cluster sends them. Each would take the VIP away if it were believed.

use std::collections::BTreeMap;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lb_userspace::core::vrrp::advert::{self, Advert, GROUP4, GROUP6, HOPS, PROTOCOL, Password, Shape, Version};
use pivot_tests::lab::craft::{Packet, multicast_mac};
use pivot_tests::lab::{Family, Lab, Node, Pivotd, Topology, wait_until};

use super::adverts::Adverts;
use super::dialect::{BETTER, Dialect, SECRET, V2, V3, V3_IPV6, VRID, WORSE};

/// The host that holds the VIP, and the one that waits.
const HOLDER: &str = "c1";
const BACKUP: &str = "c2";
/// How often each wrong message is sent.
const TIMES: usize = 100;
/// Messages of the holder after which a backup that heard none of them would have taken over, twice.
const WHILE: usize = 8;
/// Higher than both hosts'.
const PRIORITY: u8 = 254;
/// Most senders and reasons that are told.
const TOLD: usize = 256;

/// A wrong message, and what pivot says of it.
struct Wrong {
    says: String,
    from: IpAddr,
    hops: u8,
    payload: Vec<u8>,
}

/// Two pivots, of which the first holds the VIP.
struct Pivots {
    daemons: BTreeMap<&'static str, Pivotd>,
    lab: Lab,
    dialect: Dialect,
}

impl Pivots {
    fn start(dialect: Dialect) -> Self {
        let lab = Lab::build(Topology { hosts: 2, ..Topology::default() }).unwrap();
        let daemons = lab.pivotd_everywhere(dialect.pivot(&lab, &[BETTER, WORSE])).unwrap();
        let pivots = Self { daemons: [HOLDER, BACKUP].into_iter().zip(daemons).collect(), lab, dialect };
        let is_settled = || {
            let vip = |host| pivots.daemons[host].status().ok()?.vips.pop();
            let (holder, backup) = (vip(HOLDER), vip(BACKUP));
            let settled = holder.as_ref().is_some_and(|vip| vip.held)
                && backup.as_ref().is_some_and(|vip| !vip.held && vip.holder.is_some());
            if settled { Ok(()) } else { Err(format!("{holder:?}, {backup:?}")) }
        };
        wait_until(Duration::from_secs(20), "one holder", is_settled).unwrap();
        pivots
    }

    fn client(&self) -> &Node {
        self.lab.node("client")
    }

    /// Who sends what is wrong.
    fn stranger(&self) -> IpAddr {
        match (self.dialect.family, self.dialect.unicast) {
            (Family::V6, false) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xbad).into(),
            (family, _) => self.client().address_in(family),
        }
    }

    /// What the stranger would say if it were one of the hosts, and better than all.
    fn advert(&self) -> Advert {
        let Dialect { version, family, .. } = self.dialect;
        let interval = self.dialect.advert();
        Advert { version, vrid: VRID, priority: PRIORITY, interval, addresses: vec![family.vip()] }
    }

    fn shape(&self) -> Shape {
        Shape { password: self.dialect.password.map(password), pseudo_header: true }
    }

    /// A message of the stranger.
    fn wrong(&self, says: &str, advert: &Advert) -> Wrong {
        self.shaped(says, advert, self.shape())
    }

    fn shaped(&self, says: &str, advert: &Advert, shape: Shape) -> Wrong {
        let from = self.stranger();
        let payload = advert::encode(advert, shape, from, group(self.dialect.family));
        Wrong { says: says.to_owned(), from, hops: HOPS, payload }
    }

    /// A message with other bytes.
    fn bytes(&self, says: &str, change: impl FnOnce(&mut Vec<u8>)) -> Wrong {
        let mut wrong = self.wrong(says, &self.advert());
        change(&mut wrong.payload);
        wrong
    }

    /// The frame that carries it to both hosts.
    fn frame(&self, wrong: &Wrong) -> Vec<u8> {
        let target = group(self.dialect.family);
        let Wrong { from: source, hops, ref payload, .. } = *wrong;
        let packet = Packet { source, target, hops, protocol: PROTOCOL, payload };
        packet.frame(self.client().mac, multicast_mac(target))
    }

    /// Sends all of them to both hosts, again and again; each host tells each of them once, and nothing changes.
    fn assert_ignored(&self, wrongs: &[Wrong]) {
        let frames: Vec<Vec<u8>> = wrongs.iter().map(|wrong| self.frame(wrong)).collect();
        let every: Vec<&Wrong> = wrongs.iter().collect();
        self.assert_unmoved_by(&frames, &[(HOLDER, &every), (BACKUP, &every)]);
    }

    /// Sends frames again and again; hosts tell these messages, each once, and nothing changes.
    fn assert_unmoved_by(&self, frames: &[Vec<u8>], told: &[(&str, &[&Wrong])]) {
        let [holder, backup] = [HOLDER, BACKUP].map(|host| Adverts::of(&self.lab, host));
        let changes = self.role_changes();
        self.client().send_frames(iter::repeat_n(frames, TIMES).flatten()).unwrap();
        for (host, wrongs) in told {
            let daemon = &self.daemons[host];
            for wrong in *wrongs {
                let line = line(wrong);
                wait_until(Duration::from_secs(10), &format!("{host} to say {line:?}"), || {
                    if daemon.whole_log().contains(&line) { Ok(()) } else { Err(daemon.log()) }
                })
                .unwrap();
            }
        }
        holder.await_more(WHILE);
        for (host, wrongs) in told {
            let log = self.daemons[host].whole_log();
            for wrong in *wrongs {
                let times = log.matches(&line(wrong)).count();
                assert_eq!(times, 1, "{host} says {times} times {:?}:\n{log}", line(wrong));
            }
        }
        assert!(holder.priorities().iter().all(|priority| *priority == BETTER.priority), "{:?}", holder.priorities());
        assert!(backup.all().is_empty(), "the backup spoke: {:?}", backup.priorities());
        assert_eq!(self.role_changes(), changes);
        let answers = self.client().who_answers(self.dialect.family.vip()).unwrap();
        assert_eq!(answers, [self.lab.node(HOLDER).mac].into(), "who answers for the VIP");
        let held = [HOLDER, BACKUP].map(|host| self.daemons[host].status().unwrap().vips[0].held);
        assert_eq!(held, [true, false]);
    }

    /// What the hosts have said of their roles.
    fn role_changes(&self) -> Vec<String> {
        let logs = self.daemons.values().map(Pivotd::whole_log);
        logs.flat_map(|log| {
            log.lines().filter(|line| line.contains(": this host is")).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
    }
}

/// What pivot says of a message.
fn line(wrong: &Wrong) -> String {
    format!("a VRRP message from {} is ignored: {}", wrong.from, wrong.says)
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => GROUP4.into(),
        Family::V6 => GROUP6.into(),
    }
}

fn password(text: &str) -> Password {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    Password(bytes)
}

/// An address of another cluster.
fn elsewhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, 101).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0x101).into(),
    }
}

/// What is wrong in every version and family.
fn wrong_anywhere(pivots: &Pivots) -> Vec<Wrong> {
    let Dialect { family, .. } = pivots.dialect;
    let advert = pivots.advert();
    let (theirs, ours) = (elsewhere(family), family.vip());
    let collision = format!(
        "it is about {theirs}, this host's group about {ours}: another cluster uses the same virtual router number"
    );
    let afar = "it came with a TTL or hop limit of 254, not 255: somebody sends from afar";
    vec![
        pivots.bytes("the message is cut short", |bytes| bytes.truncate(bytes.len() - 1)),
        pivots.bytes("the message is longer than what it holds", |bytes| bytes.extend([0; 4])),
        pivots.bytes("version 4 is not spoken here", |bytes| bytes[0] = 0x41),
        pivots.bytes("message type 2 is unknown", |bytes| bytes[0] += 1),
        pivots.bytes("the checksum is wrong", |bytes| bytes[6] ^= 1),
        pivots.wrong("router number 0", &Advert { vrid: 0, ..advert.clone() }),
        pivots.wrong("an interval of 0", &Advert { interval: Duration::ZERO, ..advert.clone() }),
        pivots.wrong("no addresses", &Advert { addresses: Vec::new(), ..advert.clone() }),
        pivots.wrong("no virtual router 52 of this host is on interface eth0", &Advert { vrid: 52, ..advert.clone() }),
        pivots.wrong(&collision, &Advert { addresses: vec![theirs], ..advert.clone() }),
        Wrong { hops: 254, ..pivots.wrong(afar, &advert) },
    ]
}

#[test]
fn wrong_messages_of_version_3_are_told_once_and_ignored() {
    let pivots = Pivots::start(V3);
    let mut wrongs = wrong_anywhere(&pivots);
    let interval = Duration::from_secs(1);
    let older = Advert { version: Version::V2, interval, ..pivots.advert() };
    wrongs.push(pivots.wrong("it speaks version 2, this host 3", &older));
    pivots.assert_ignored(&wrongs);
}

#[test]
fn wrong_messages_of_version_3_over_ipv6_are_told_once_and_ignored() {
    let pivots = Pivots::start(V3_IPV6);
    let mut wrongs = wrong_anywhere(&pivots);
    // Over IPv6 there is no other version.
    wrongs.push(pivots.bytes("version 2 is not spoken here", |bytes| bytes[0] = 0x21));
    pivots.assert_ignored(&wrongs);
}

#[test]
fn wrong_messages_of_version_2_are_told_once_and_ignored() {
    let pivots = Pivots::start(V2.with(SECRET));
    let advert = pivots.advert();
    let mut wrongs = wrong_anywhere(&pivots);
    let slower = Advert { interval: Duration::from_secs(3), ..advert.clone() };
    let interval = "it says one advert every 3 s, this host every 1 s; version 2 wants the same on every host";
    wrongs.extend([
        pivots.wrong(interval, &slower),
        pivots.wrong("it speaks version 3, this host 2", &Advert { version: Version::V3, ..advert.clone() }),
        // The checksum does not cover what follows the addresses, nor does the type of what that is; it is mended here.
        pivots.bytes("authentication type 2 is unknown", |bytes| {
            bytes[4] += 1;
            bytes[6] -= 1;
        }),
    ]);
    pivots.assert_ignored(&wrongs);
}

#[test]
fn a_message_with_a_wrong_password_is_told_once_and_ignored() {
    let pivots = Pivots::start(V2.with(SECRET));
    let shape = Shape { password: Some(password("guess")), ..pivots.shape() };
    pivots.assert_ignored(&[pivots.shaped("its password is not this host's", &pivots.advert(), shape)]);
}

#[test]
fn a_message_without_the_password_is_told_once_and_ignored() {
    let pivots = Pivots::start(V2.with(SECRET));
    let shape = Shape { password: None, ..pivots.shape() };
    pivots.assert_ignored(&[pivots.shaped("its password is not this host's", &pivots.advert(), shape)]);
}

#[test]
fn a_replayed_message_with_the_password_is_told_once_and_ignored() {
    let pivots = Pivots::start(V2.with(SECRET));
    let adverts = Adverts::of(&pivots.lab, HOLDER);
    adverts.await_more(1);
    let said = adverts.all().remove(0);
    assert_eq!(said.priority(), Some(BETTER.priority));
    assert!(said.payload.ends_with(&password(SECRET).0), "the password is in it: {:02x?}", said.payload);
    let says = "its sender is not one of the configured hosts, and a password is for them alone; if it is one, write a [[host]] for it";
    let replayed = Wrong { says: says.to_owned(), from: pivots.stranger(), hops: HOPS, payload: said.payload };
    pivots.assert_ignored(&[replayed]);
}

#[test]
fn a_stranger_is_not_heard_where_peers_are_configured() {
    strangers_are_not_heard(V3.unicast());
}

#[test]
fn a_stranger_is_not_heard_over_ipv6_where_peers_are_configured() {
    strangers_are_not_heard(V3_IPV6.unicast());
}

/// Neither if they speak to one host, nor if they speak to all.
fn strangers_are_not_heard(dialect: Dialect) {
    let pivots = Pivots::start(dialect);
    let (client, from) = (pivots.client(), pivots.stranger());
    let to_all = format!("it was sent to {}, which is not how this group is told", group(dialect.family));
    let to_all = pivots.wrong(&to_all, &pivots.advert());
    let (mut frames, mut stranger) = (vec![pivots.frame(&to_all)], None);
    for host in [HOLDER, BACKUP].map(|host| pivots.lab.node(host)) {
        let target = host.address_in(dialect.family);
        let payload = advert::encode(&pivots.advert(), pivots.shape(), from, target);
        let packet = Packet { source: from, target, hops: HOPS, protocol: PROTOCOL, payload: &payload };
        frames.push(packet.frame(client.mac, host.mac));
        let says = "its sender is not one of the configured peers".to_owned();
        stranger = Some(Wrong { says, from, hops: HOPS, payload });
    }
    let told = [stranger.as_ref(), Some(&to_all)].into_iter().flatten().collect::<Vec<_>>();
    pivots.assert_unmoved_by(&frames, &[(HOLDER, &told), (BACKUP, &told)]);
}

#[test]
fn a_message_from_a_hosts_own_address_is_told_once_and_ignored() {
    // Of IPv4, the kernel throws such packets away.
    let pivots = Pivots::start(V3_IPV6);
    let adverts = Adverts::of(&pivots.lab, HOLDER);
    adverts.await_more(1);
    let said = adverts.all().remove(0);
    let says = "it comes from this host's own address: two hosts have it, or the network sends frames back";
    let own = Wrong { says: says.to_owned(), from: said.from, hops: HOPS, payload: said.payload };
    pivots.assert_unmoved_by(&[pivots.frame(&own)], &[(HOLDER, &[&own])]);
}

#[test]
fn a_flood_of_forged_senders_neither_fills_the_log_nor_moves_the_vip() {
    let pivots = Pivots::start(V3);
    let forged = |number: u16| {
        let [a, b] = number.to_be_bytes();
        let mut wrong = pivots.bytes("the checksum is wrong", |bytes| bytes[6] ^= 1);
        wrong.from = Ipv4Addr::new(10, 81, a, b).into();
        pivots.frame(&wrong)
    };
    let frames: Vec<Vec<u8>> = (1..=1000).map(forged).collect();
    pivots.assert_unmoved_by(&frames, &[]);
    for (host, daemon) in &pivots.daemons {
        let told = daemon.whole_log().matches("is ignored").count();
        assert!((1..=TOLD).contains(&told), "{host} tells {told} senders");
    }
}
