//! What is in the maps, decoded for people: names instead of indexes, empty records left out.

use std::net::{IpAddr, SocketAddr};

use aya::maps::{MapData, MapError};
use lb_common::net::ipv4;
use lb_common::path::verdict::{self, Verdict};
use lb_common::wire::Line;
use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Identity, State, Way};
use lb_common::wire::controllers::PLACES;
use lb_common::wire::directory::Slot;
use lb_common::wire::link::Port;
use lb_common::wire::service::{Affinity, Local, Table};
use lb_common::wire::vip::{Belief, Elsewhere, Vip};
use serde_json::{Value, json};

use super::{Datapath, flows};
use crate::core::event::Mac;
use crate::core::view::{MapEntry, MapView};
use crate::tables::clock::Clock;
use crate::tables::memory::TableMemory;
use crate::tables::writer::Names;

/// Every map and what it is for.
const PURPOSES: [(&str, &str); 21] = [
    ("CONTROL", "sizes, and which generation of the directory is in force"),
    ("LINKS", "interfaces with programs attached: MAC, port and own address"),
    ("PORTS", "interfaces that packets may leave by: MAC"),
    ("EGRESS", "the same for the kernel: interface index"),
    ("DEVICES", "the same for TC: interface index"),
    ("WAYS", "programs of the long way: pivot_long4, pivot_long6, pivot_returned"),
    ("PILOTS", "directory: pilots of the perfect hash"),
    ("DIRECTORY", "directory: (VIP, port, protocol) to service, exactly"),
    ("VIPS", "whether this host answers for a VIP, and where its packets are passed on to if not"),
    ("CONTROLLERS", "MACs of the other controllers: what they send to a VIP is delivered, whoever holds it"),
    ("SERVICES", "where a service's Maglev table lies, and its local backend"),
    ("MAGLEV", "Maglev tables: slot to backend"),
    ("BACKENDS", "where and whether to send"),
    ("FLOWS4", "IPv4 flows, clients with affinity, packets in fragments"),
    ("FLOWS6", "the same for IPv6"),
    ("PACES", "new flows, ICMP errors and refusals told of each CPU in its last window of time"),
    ("VERDICTS", "packets by verdict and CPU"),
    ("SERVICE_COUNTERS", "packets by service and CPU"),
    ("BACKEND_COUNTERS", "packets by backend and CPU"),
    ("LISTENERS", "listening sockets of the backends on this host"),
    ("REFUSALS", "connections that backends did not take, on their way to pivotd"),
];

/// Lists the maps as the kernel has them.
///
/// # Errors
/// What the kernel says of a pin.
pub fn maps(datapath: &Datapath) -> Result<Vec<MapView>, MapError> {
    PURPOSES
        .iter()
        .map(|(name, purpose)| {
            let info = MapData::from_pin(datapath.pins().join(name))?.info()?;
            Ok(MapView {
                name: (*name).to_owned(),
                kind: format!("{:?}", info.map_type()?),
                key_size: info.key_size(),
                value_size: info.value_size(),
                max_entries: info.max_entries(),
                purpose: (*purpose).to_owned(),
            })
        })
        .collect()
}

/// Why a map is not listed.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// There is none of that name.
    #[error("no map {0:?}: `pivot maps` lists them")]
    Unknown(String),
    /// Its values have no form outside of the kernel.
    #[error("{name} {what}")]
    Opaque {
        /// Its name.
        name: &'static str,
        /// What it holds, and where to look instead.
        what: &'static str,
    },
}

/// At most `limit` entries of a map.
///
/// # Errors
/// [`DumpError`].
pub fn dump(datapath: &Datapath, name: &str, limit: usize) -> Result<Vec<MapEntry>, DumpError> {
    let memory = datapath.writer().memory();
    let view = View { memory, names: datapath.writer().names(), clock: datapath.writer().clock() };
    let entries: Box<dyn Iterator<Item = MapEntry> + '_> = match name.to_ascii_uppercase().as_str() {
        "CONTROL" => Box::new(view.control()),
        "LINKS" => Box::new(view.links()),
        "PILOTS" => Box::new(view.pilots()),
        "DIRECTORY" => Box::new(view.directory()),
        "VIPS" => Box::new(view.vips()),
        "CONTROLLERS" => Box::new(view.controllers()),
        "SERVICES" => Box::new(view.services()),
        "MAGLEV" => Box::new(view.maglev()),
        "BACKENDS" => Box::new(view.backends()),
        "PORTS" => Box::new(view.ports()),
        "DEVICES" => Box::new(view.devices()),
        "FLOWS4" => Box::new(flows::v4(memory).map(move |flow| view.flow(flow))),
        "FLOWS6" => Box::new(flows::v6(memory).map(move |flow| view.flow(flow))),
        "PACES" => Box::new(view.paces()),
        "VERDICTS" => Box::new(view.verdicts()),
        "SERVICE_COUNTERS" => Box::new(view.service_counters()),
        "BACKEND_COUNTERS" => Box::new(view.backend_counters()),
        "LISTENERS" => {
            let what =
                "holds sockets, which only the kernel can read: BACKEND_COUNTERS counts what was steered to them";
            return Err(DumpError::Opaque { name: "LISTENERS", what });
        }
        "REFUSALS" => {
            let what = "holds what pivotd has not read yet: `pivot backends` shows what came of it";
            return Err(DumpError::Opaque { name: "REFUSALS", what });
        }
        "WAYS" => {
            let what = "holds programs, which `bpftool prog` shows";
            return Err(DumpError::Opaque { name: "WAYS", what });
        }
        "EGRESS" => {
            let what = "holds interfaces by port, as PORTS and LINKS do, for the kernel: look there";
            return Err(DumpError::Opaque { name: "EGRESS", what });
        }
        _ => return Err(DumpError::Unknown(name.to_owned())),
    };
    Ok(entries.take(limit).collect())
}

#[derive(Clone, Copy)]
struct View<'a> {
    memory: &'a TableMemory,
    names: &'a Names,
    clock: Clock,
}

impl<'a> View<'a> {
    fn control(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.control.iter().map(|c| {
            entry(
                "0",
                json!({"layout": c.layout, "cpus": c.cpus, "directory_slots": c.directory_mask + 1,
                "pilots": c.pilot_mask + 1, "flow_sets4": c.flow_mask4 + 1, "flow_sets6": c.flow_mask6 + 1,
                "services": c.services, "backends": c.backends, "generation": c.generation.get()}),
            )
        })
    }

    fn links(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.links.iter().enumerate().filter(|(_, link)| link.port.get() != 0).map(|(index, link)| {
            let address = IpAddr::from(Address::v4(link.address.get() as u32));
            let port = Port::unpack(link.port.get());
            entry(&index.to_string(), json!({"mac": mac(port.mac48), "port": port.number, "address": address}))
        })
    }

    fn ports(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory
            .ports
            .iter()
            .enumerate()
            .filter(|(_, port)| port.get() != 0)
            .map(|(number, port)| entry(&number.to_string(), json!({"mac": mac(Port::unpack(port.get()).mac48)})))
    }

    fn devices(self) -> impl Iterator<Item = MapEntry> + 'a {
        let devices = self.memory.devices.iter().enumerate().filter(|(_, device)| device.get() != 0);
        devices.map(|(number, device)| entry(&number.to_string(), json!({"index": device.get()})))
    }

    fn paces(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.paces.iter().enumerate().map(|(cpu, pace)| {
            let last = |word: u64| json!({"window": word >> 32, "count": word as u32});
            entry(&cpu.to_string(), json!({"flows": last(pace.flows.get()), "errors": last(pace.errors.get()), "refusals": last(pace.refusals.get())}))
        })
    }

    fn pilots(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.pilots.iter().enumerate().flat_map(|(line, pilots)| {
            let used = pilots.0.iter().enumerate().filter(|(_, pilot)| **pilot != 0);
            used.map(move |(i, pilot)| entry(&(line * Line::LEN as usize + i).to_string(), json!(pilot)))
        })
    }

    fn directory(self) -> impl Iterator<Item = MapEntry> + 'a {
        let control = self.memory.control_record();
        let slots = control.directory_mask as usize + 1;
        let first = (control.generation.get() & 1) as usize * slots;
        let used = self.memory.directory.iter().skip(first).take(slots).filter(|slot| **slot != Slot::EMPTY);
        used.map(move |slot| {
            let vip = self.names.vips.get(&slot.vip);
            let address = IpAddr::from(slot.address);
            if slot.service == Slot::NO_SERVICE {
                return entry(&address.to_string(), json!({"vip": vip}));
            }
            let port = u16::from_be(slot.l4 as u16);
            let service = self.names.services.get(&slot.service);
            let protocol = if (slot.l4 >> 16) as u8 == ipv4::UDP { "udp" } else { "tcp" };
            let idle = self.clock.time(slot.idle.least).as_secs_f64();
            entry(
                &format!("{}/{protocol}", SocketAddr::new(address, port)),
                json!({"service": service, "index": slot.service, "vip": vip, "idle_timeout_s": idle}),
            )
        })
    }

    fn vips(self) -> impl Iterator<Item = MapEntry> + 'a {
        let named = self.memory.vips.iter().enumerate();
        named.filter_map(move |(index, vip)| {
            let name = self.names.vips.get(&(index as u16))?;
            let lease = match vip.lease.get() {
                Vip::NOT_HELD => json!("not held"),
                Vip::HELD => json!("held"),
                until => json!({"held until jiffies": until}),
            };
            let elsewhere = Elsewhere::unpack(vip.elsewhere.get());
            let holder = elsewhere.map(|it| json!({"mac": mac(it.holder), "out": it.port, "carrier": it.carrier}));
            let belief = match (vip.speaker.get(), Belief::unpack(vip.belief.get())) {
                (0, _) => json!("the holder is configured"),
                (speaker, belief) if belief.speaker == speaker => {
                    json!({"holder believed until jiffies": belief.until})
                }
                _ => json!("the holder was not heard"),
            };
            Some(entry(name, json!({"lease": lease, "elsewhere": holder, "belief": belief})))
        })
    }

    fn controllers(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.controllers.iter().enumerate().flat_map(|(line, macs)| {
            let macs = macs.0.iter().enumerate().filter_map(|(place, word)| Some((place, mac(word.get())?)));
            macs.map(move |(place, mac)| entry(&(line * PLACES + place).to_string(), json!(mac)))
        })
    }

    fn services(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.services.iter().enumerate().filter_map(move |(index, service)| {
            let name = self.names.services.get(&(index as u16))?;
            let table = Table::unpack(service.table.get());
            let local = Local::unpack(service.local.get()).index().map(|index| self.backend(index));
            let affinity = Affinity::unpack(service.affinity.get()).map(|affinity| {
                json!({"timeout_s": self.clock.time(affinity.life).as_secs_f64(), "prefix": affinity.prefix})
            });
            Some(entry(
                name,
                json!({"index": index, "line": table.line, "slots": table.slots, "local": local, "affinity": affinity}),
            ))
        })
    }

    fn maglev(self) -> impl Iterator<Item = MapEntry> + 'a {
        self.memory.services.iter().enumerate().flat_map(move |(index, service)| {
            let table = Table::unpack(service.table.get());
            let name = self.names.services.get(&(index as u16)).cloned().unwrap_or_default();
            (0..table.slots).filter_map(move |slot| {
                let line = self.memory.maglev.get((table.line + slot / Line::LEN) as usize)?;
                Some(entry(&format!("{name}[{slot}]"), json!(self.backend(line.at(slot)))))
            })
        })
    }

    fn backends(self) -> impl Iterator<Item = MapEntry> + 'a {
        let used = self.memory.backends.iter().enumerate();
        used.filter_map(move |(index, backend)| {
            let hop = Hop::from_word(backend.hop.get());
            let state = state_name(hop.state())?;
            let identity = Identity::unpack(backend.identity.get());
            let way = match hop.way() {
                Some(Way::Local) => "local",
                Some(Way::L2) => "l2",
                None => "unknown",
            };
            Some(entry(
                &self.backend(index as u16),
                json!({"index": index, "state": state, "way": way, "out": hop.port(),
                "mac": mac(hop.mac48()), "address": IpAddr::from(backend.address),
                "port": u16::from_be(identity.port), "generation": identity.generation}),
            ))
        })
    }

    fn flow(self, flow: flows::Flow) -> MapEntry {
        let tag = flow.entry.tag();
        let left = self.clock.time(tag.until().left(self.clock.now())).as_secs_f64();
        let value = json!({"backend": self.backend(flow.entry.backend()), "generation": flow.entry.generation(),
            "stage": flows::stage_name(tag.stage()), "expires_in_s": left});
        entry(&flow.name(self.names), value)
    }

    fn verdicts(self) -> impl Iterator<Item = MapEntry> + 'a {
        let stride = verdict::STRIDE as usize;
        self.memory.verdicts.iter().enumerate().filter(|(_, packets)| packets.get() > 0).filter_map(
            move |(i, packets)| {
                let verdict: &Verdict = Verdict::ALL.get(i % stride)?;
                Some(entry(&format!("{} cpu {}", verdict.name(), i / stride), json!(packets.get())))
            },
        )
    }

    fn service_counters(self) -> impl Iterator<Item = MapEntry> + 'a {
        let stride = self.memory.services.len();
        let used = self.memory.service_counters.iter().enumerate().filter(|(_, c)| c.packets.get() > 0);
        used.map(move |(i, c)| {
            let index = (i % stride) as u16;
            let name = self.names.services.get(&index).cloned().unwrap_or_else(|| format!("#{index} (removed)"));
            entry(
                &format!("{name} cpu {}", i / stride),
                json!({"packets": c.packets.get(), "bytes": c.bytes.get(),
                "chosen": c.chosen.get(), "evicted": c.evicted.get(), "crowded": c.crowded.get(),
                "limited": c.limited.get()}),
            )
        })
    }

    fn backend_counters(self) -> impl Iterator<Item = MapEntry> + 'a {
        let stride = self.memory.backends.len();
        let counted = self.memory.backend_counters.iter().enumerate();
        let used = counted.filter(|(_, c)| c.bytes.get() > 0 || c.steered.get() > 0);
        used.map(move |(i, c)| {
            let name = self.backend((i % stride) as u16);
            entry(
                &format!("{name} cpu {}", i / stride),
                json!({"forwarded": c.forwarded.get(), "redirected": c.redirected.get(), "local": c.local.get(),
                "bytes": c.bytes.get(), "flows": c.flows.get(), "steered": c.steered.get()}),
            )
        })
    }

    fn backend(self, index: u16) -> String {
        flows::backend_name(self.names, index)
    }
}

fn state_name(state: State) -> Option<&'static str> {
    match state {
        State::Absent => None,
        State::Up => Some("up"),
        State::Drain => Some("drain"),
        State::Down => Some("down"),
        State::Leaving => Some("leaving"),
        State::Kept => Some("down, its flows kept"),
    }
}

fn mac(mac48: u64) -> Option<String> {
    let [a, b, c, d, e, f, ..] = mac48.to_le_bytes();
    (mac48 != 0).then(|| Mac([a, b, c, d, e, f]).to_string())
}

fn entry(key: &str, value: Value) -> MapEntry {
    MapEntry { key: key.to_owned(), value }
}
