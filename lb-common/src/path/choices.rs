//! Which backend a flow is given that was not taken where it was sent: the choices of a flow are the first few backends that its
//! service's table names from the flow's slot on. The table is the same on every controller, and so is their order.

use crate::net::forget::forget;
use crate::net::hash;
use crate::wire::Line;
use crate::wire::service::{Service, Table};

use super::flow::{Given, given};
use super::select::takes;
use super::tables::Tables;
use super::verdict::Verdict;

/// Choices of a flow: it remembers the last one alone, and is given each once at most.
pub const CHOICES: u32 = 4;
/// Slots that are looked at for them. Of two backends whose weights are 20 to 1, this many name the lighter one in 99 of 100 cases.
const WALK: u32 = 96;

/// The choice of a flow of this hash after the backend `refused`. One that is none of its choices comes before the first.
///
/// # Errors
/// [`Verdict::NoChoiceLeft`] if none is left that takes new flows, [`Verdict::TableTorn`].
#[inline(always)]
pub fn next<T: Tables>(tables: &T, service: &Service, hash: u64, refused: u16) -> Result<Given, Verdict> {
    let table = Table::unpack(service.table.get());
    let choices = Choices::of(table, hash, |line| tables.maglev(line)).ok_or(Verdict::TableTorn)?;
    let mut passed = !choices.has(refused);
    let mut place = 0;
    while place < CHOICES {
        if place >= choices.count {
            break;
        }
        let index = (choices.packed >> (16 * place)) as u16;
        place += 1;
        if passed {
            let given = given(tables.backend(index).ok_or(Verdict::TableTorn)?, index);
            if takes(given) {
                return Ok(given);
            }
        }
        passed |= index == refused;
    }
    Err(Verdict::NoChoiceLeft)
}

/// Backends by index in the order in which they are named, sixteen bits for each; places without one repeat the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choices {
    packed: u64,
    count: u32,
}

impl Choices {
    /// One in each place.
    const EACH: u64 = 0x0001_0001_0001_0001;

    /// The choices of a flow of this hash; `None` if a line of the table is missing.
    #[inline(always)]
    fn of<'t>(table: Table, hash: u64, line: impl Fn(u32) -> Option<&'t Line>) -> Option<Self> {
        let first = hash::reduce(hash::fold(hash, 0), table.slots);
        let (mut packed, mut count) = (0, 0);
        let mut step = 0;
        while step < WALK {
            if step >= table.slots || count >= CHOICES {
                break;
            }
            let slot = first + step;
            let slot = if slot < table.slots { slot } else { slot - table.slots };
            step += 1;
            let index = u64::from(line(table.line + slot / Line::LEN)?.at(slot));
            let place = 16 * (count & (CHOICES - 1));
            let more = if count == 0 { index * Self::EACH } else { packed & !(0xffff << place) | index << place };
            // Not followed by the verifier: it goes through the loop once for each step, not once for each past.
            let known = forget(u32::from(count != 0 && Self::names(packed, index)), slot);
            if known == 0 {
                packed = more;
                count = forget(count + 1, slot);
            }
        }
        Some(Self { packed, count })
    }

    #[inline(always)]
    fn has(self, index: u16) -> bool {
        self.count > 0 && Self::names(self.packed, u64::from(index))
    }

    /// Whether one of the four parts is this index (Warren: Hacker's Delight, section 6-1).
    #[inline(always)]
    const fn names(packed: u64, index: u64) -> bool {
        let parts = packed ^ (index * Self::EACH);
        parts.wrapping_sub(Self::EACH) & !parts & Self::EACH << 15 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The choices in a table of so many slots.
    fn choices(slots: u16, hash: u64, names: impl Fn(u16) -> u16) -> Vec<u16> {
        let line = |number| Line(core::array::from_fn(|i| names(number * Line::LEN as u16 + i as u16)));
        let lines: Vec<Line> = (0..=slots / Line::LEN as u16).map(line).collect();
        let table = Table { line: 0, slots: u32::from(slots) };
        let choices = Choices::of(table, hash, |line| lines.get(line as usize)).unwrap();
        (0..choices.count).map(|place| (choices.packed >> (16 * place)) as u16).collect()
    }

    #[test]
    fn they_are_those_that_the_table_names_once_each() {
        for hash in 0..100 {
            let three = choices(251, hash, |slot| slot % 3 * 700);
            assert_eq!(three.len(), 3);
            assert!(three.iter().all(|index| index % 700 == 0), "{three:?}");
            assert_eq!(choices(251, hash, |_| 0), [0]);
            assert_eq!(choices(0, hash, |_| 0), []);
        }
        assert_eq!(choices(251, 7, |slot| slot).len(), 4, "no more");
        assert_eq!(choices(2, 7, |slot| 65_535 - slot % 2).len(), 2);
    }

    #[test]
    fn they_begin_with_the_flows_own_slot_and_go_on_behind_the_last_one() {
        let (mut wrapped, slots) = (false, 37);
        for hash in 0..200 {
            let own = hash::reduce(hash::fold(hash, 0), u32::from(slots)) as u16;
            let expected: Vec<u16> = (0..4).map(|step| (own + step) % slots).collect();
            assert_eq!(choices(slots, hash, |slot| slot), expected);
            wrapped |= own > slots - 4;
        }
        assert!(wrapped);
    }

    #[test]
    fn a_table_without_all_of_its_lines_is_torn() {
        let table = Table { line: 0, slots: 64 };
        assert_eq!(Choices::of(table, 5, |_| None), None);
    }
}
