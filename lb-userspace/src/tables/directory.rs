//! Builds one generation of the directory: a perfect hash of the keys, see [`lb_common::wire::directory`].

use lb_common::wire::Line;
use lb_common::wire::directory::{Key, Slot, pilot_of, slot_of};

/// One generation, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Pilots by line.
    pub pilots: Vec<Line>,
    /// Slots.
    pub slots: Vec<Slot>,
}

/// No pilot places a bucket: with half-empty slots and 65,536 pilots to try that needs keys of equal hashes.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("no perfect hash for {keys} services in {slots} slots: raise tables.services")]
pub struct NoPilot {
    keys: usize,
    slots: usize,
}

/// Places every entry. `slots` and `pilots` are powers of two; keys are distinct.
///
/// # Errors
/// [`NoPilot`], which needs colliding 64-bit hashes or more keys than slots.
pub fn build(entries: &[Slot], slots: u32, pilots: u32) -> Result<Directory, NoPilot> {
    let error = NoPilot { keys: entries.len(), slots: slots as usize };
    let mut buckets: Vec<Vec<(u64, Slot)>> = vec![Vec::new(); pilots as usize];
    for entry in entries {
        let hash = Key { address: entry.address, l4: entry.l4 }.hash();
        buckets[pilot_of(hash, pilots - 1) as usize].push((hash, *entry));
    }
    // The fullest bucket first, while there is most room.
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|bucket| (std::cmp::Reverse(buckets[*bucket].len()), *bucket));

    let mut placed = vec![Slot::EMPTY; slots as usize];
    let mut lines = vec![Line([0; Line::LEN as usize]); (pilots / Line::LEN) as usize];
    for bucket in order {
        let entries = &buckets[bucket];
        let pilot = (0..=u16::MAX).find(|pilot| fits(entries, *pilot, &placed)).ok_or(error)?;
        for (hash, entry) in entries {
            placed[slot_of(*hash, pilot, slots - 1) as usize] = *entry;
        }
        lines[bucket / Line::LEN as usize].0[bucket % Line::LEN as usize] = pilot;
    }
    Ok(Directory { pilots: lines, slots: placed })
}

/// Whether all of a bucket's entries fall on free slots, each on its own.
fn fits(entries: &[(u64, Slot)], pilot: u16, placed: &[Slot]) -> bool {
    let slot = |hash: u64| slot_of(hash, pilot, placed.len() as u32 - 1);
    entries.iter().enumerate().all(|(i, (hash, _))| {
        placed[slot(*hash) as usize] == Slot::EMPTY && entries[..i].iter().all(|(other, _)| slot(*other) != slot(*hash))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::wire::address::Address;
    use lb_common::wire::directory::Idle;
    use std::net::{IpAddr, Ipv4Addr};

    fn entry(i: u32) -> Slot {
        let address = Address::from(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + i / 50)));
        let key = Key::new(address, ((i % 50) as u16 + 1).to_be(), 6);
        Slot { address, l4: key.l4, service: i as u16, vip: 0, idle: Idle::default() }
    }

    fn find(directory: &Directory, key: &Key) -> Slot {
        let hash = key.hash();
        let pilot = pilot_of(hash, (directory.pilots.len() * 32 - 1) as u32);
        let pilot = directory.pilots[(pilot / 32) as usize].at(pilot);
        directory.slots[slot_of(hash, pilot, directory.slots.len() as u32 - 1) as usize]
    }

    #[test]
    fn ten_thousand_services_are_each_found_in_their_own_slot() {
        let entries: Vec<Slot> = (0..10_000).map(entry).collect();
        let directory = build(&entries, 32_768, 8_192).unwrap();
        for entry in &entries {
            assert_eq!(find(&directory, &Key { address: entry.address, l4: entry.l4 }), *entry);
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_not_found() {
        let directory = build(&(0..100).map(entry).collect::<Vec<_>>(), 256, 64).unwrap();
        for i in 100..5_000 {
            let key = Key { address: entry(i).address, l4: entry(i).l4 };
            assert!(!find(&directory, &key).is_for(&key));
        }
    }

    #[test]
    fn a_full_directory_is_an_error_not_a_loop() {
        assert!(build(&(0..65).map(entry).collect::<Vec<_>>(), 64, 32).is_err());
    }
}
