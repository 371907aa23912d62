//! Orders of the operator about single backends: what they are, and how they are written and read. What they do is the
//! controller's. They stand until they are undone, over failures, reloads and restarts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::event::BackendKey;

/// What a backend is ordered to be. By default nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// It keeps its flows and takes no new ones.
    pub drained: bool,
    /// It has no flows at all, and is not checked.
    pub maintenance: bool,
    /// Another weight than the configured one.
    pub weight: Option<Weight>,
}

/// What an order changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Drain it, or undo that.
    Drain(bool),
    /// Put it into maintenance, or end that.
    Maintenance(bool),
    /// Give it a weight, or the configured one again.
    Weight(Option<Weight>),
}

/// A weight given at run time. As text: `50`, `50%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Weight {
    /// Instead of the configured one: 0..=256.
    Of(u16),
    /// Of the configured one, in percent: 0..=1000.
    Percent(u16),
}

/// What is no weight.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no weight: write 0 to {MOST}, or 0% to {MOST_PERCENT}% of the configured one")]
pub struct WeightError(String);

/// The largest weight, as in the configuration.
pub const MOST: u16 = 256;
const MOST_PERCENT: u16 = 1000;

/// Orders in force, and the backends that they are about; those about which there is none are left out. A backend that
/// listens elsewhere is another one, whatever its name.
pub type Orders = BTreeMap<BackendKey, (SocketAddr, Order)>;

impl Order {
    /// The same with a change.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        match change {
            Change::Drain(drained) => Self { drained, ..self },
            Change::Maintenance(maintenance) => Self { maintenance, ..self },
            Change::Weight(weight) => Self { weight, ..self },
        }
    }

    /// The weight of a backend that is configured with this one.
    #[must_use]
    pub fn weight(self, configured: u16) -> u16 {
        self.weight.map_or(configured, |weight| weight.of(configured))
    }
}

impl Weight {
    /// What it makes of a configured weight. What has a share of it has at least 1.
    #[must_use]
    pub fn of(self, configured: u16) -> u16 {
        match self {
            Self::Of(weight) => weight,
            Self::Percent(percent) => {
                let exact = u32::from(configured) * u32::from(percent);
                let least = u32::from(exact > 0);
                u16::try_from(((exact + 50) / 100).max(least)).map_or(MOST, |weight| weight.min(MOST))
            }
        }
    }
}

/// In words: `drained, weight 50%`; `none`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.maintenance.then(|| "maintenance".to_owned()),
            self.drained.then(|| "drained".to_owned()),
            self.weight.map(|weight| format!("weight {weight}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { f.write_str("none") } else { f.write_str(&words.join(", ")) }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(weight) => write!(f, "{weight}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Weight {
    type Err = WeightError;

    fn from_str(text: &str) -> Result<Self, WeightError> {
        let number = |text: &str, most| text.parse().ok().filter(|number: &u16| *number <= most);
        let weight = match text.strip_suffix('%') {
            Some(percent) => number(percent, MOST_PERCENT).map(Self::Percent),
            None => number(text, MOST).map(Self::Of),
        };
        weight.ok_or_else(|| WeightError(text.to_owned()))
    }
}

impl TryFrom<String> for Weight {
    type Error = WeightError;

    fn try_from(text: String) -> Result<Self, WeightError> {
        text.parse()
    }
}

impl From<Weight> for String {
    fn from(weight: Weight) -> Self {
        weight.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_number_or_a_part_of_the_configured_one() {
        for (text, of_100) in [("0", 0), ("256", 256), ("50%", 50), ("0%", 0), ("1000%", 256), ("200%", 200)] {
            let weight: Weight = text.parse().unwrap();
            assert_eq!((weight.of(100), weight.to_string()), (of_100, text.to_owned()));
        }
        for bad in ["", "%", "257", "-1", "1001%", "half", "5 %", "1.5"] {
            let error = bad.parse::<Weight>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{bad}\" is no weight: write 0 to 256")), "{error}");
        }
    }

    #[test]
    fn the_smallest_part_is_more_than_nothing() {
        assert_eq!(Weight::Percent(1).of(1), 1);
        assert_eq!(Weight::Percent(50).of(1), 1);
        assert_eq!(Weight::Percent(100).of(0), 0);
    }

    #[test]
    fn orders_are_undone_one_by_one() {
        let all = [Change::Drain(true), Change::Maintenance(true), Change::Weight(Some(Weight::Percent(50)))];
        let order = all.into_iter().fold(Order::default(), Order::with);
        assert_eq!(order.to_string(), "maintenance, drained, weight 50%");
        assert_eq!(order.with(Change::Maintenance(false)).to_string(), "drained, weight 50%");
        let undone = [Change::Drain(false), Change::Maintenance(false), Change::Weight(None)];
        assert_eq!(undone.into_iter().fold(order, Order::with).to_string(), "none");
    }
}
