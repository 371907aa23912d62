//! Orders of the operator about backends, kept in a file so that neither a restart of pivotd nor one of the host ends them.
//! There is a file only while there are orders.
//!
//! What must hold: once [`OrderFile::write`] has returned, the orders are there after any crash. A file that cannot be
//! understood is set aside, and told of: to balance without it is better than not to balance at all.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable;
use crate::core::event::BackendKey;
use crate::core::order::{Order, Orders, Weight};

/// Form of the file.
const VERSION: u32 = 1;

/// Why orders are not remembered.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}, which says what backends are ordered to be: {cause}", path = .path.display())]
pub struct OrderFileError {
    path: PathBuf,
    cause: io::Error,
}

/// The file, and what it says.
#[derive(Debug)]
pub struct OrderFile {
    path: PathBuf,
    orders: Orders,
}

/// What was found at a start.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub file: OrderFile,
    /// What it says; `None` if it says nothing, or nothing that can be understood.
    pub orders: Option<Orders>,
    /// What is wrong with it, for the log.
    pub trouble: Option<String>,
}

/// Why a file is not understood.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Parse(#[from] serde_json::Error),
    #[error("it is of version {0}, and this pivotd reads version {VERSION}")]
    Version(u32),
    #[error("it has two orders for {0}")]
    Twice(BackendKey),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    orders: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    service: String,
    backend: String,
    /// Where it listens.
    address: SocketAddr,
    drained: bool,
    maintenance: bool,
    weight: Option<Weight>,
}

impl OrderFile {
    /// That of an instance, `root/INSTANCE/orders`. Nothing is made there.
    #[must_use]
    pub fn load(root: &Path, instance: &str) -> Loaded {
        let path = root.join(instance).join("orders");
        let (orders, trouble) = match read(&path) {
            Ok(orders) => (orders, None),
            Err(damage) => (None, Some(set_aside(&path, &damage))),
        };
        let file = Self { path, orders: orders.clone().unwrap_or_default() };
        Loaded { file, orders, trouble }
    }

    /// Has it say this, and nothing else.
    ///
    /// # Errors
    /// [`OrderFileError`]; then it says what it said.
    pub fn write(&mut self, orders: &Orders) -> Result<(), OrderFileError> {
        if self.orders == *orders {
            return Ok(());
        }
        let written = if orders.is_empty() { self.remove() } else { durable::write(&self.path, &text(orders)) };
        written.map_err(|cause| OrderFileError { path: self.path.clone(), cause })?;
        self.orders = orders.clone();
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        durable::remove(&self.path)?;
        // Something else may be there.
        let _ = self.path.parent().map(fs::remove_dir);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Orders>, Damage> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Contents { version, orders: lines } = serde_json::from_str(&text)?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let mut orders = Orders::new();
    for Line { service, backend, address, drained, maintenance, weight } in lines {
        let key = BackendKey { service, backend };
        if orders.insert(key.clone(), (address, Order { drained, maintenance, weight })).is_some() {
            return Err(Damage::Twice(key));
        }
    }
    Ok(Some(orders))
}

/// Moves a file out of the way; what is to be said of it.
fn set_aside(path: &Path, damage: &Damage) -> String {
    let aside = path.with_extension("damaged");
    let shown = path.display();
    let done = match fs::rename(path, &aside) {
        Ok(()) => format!("it is set aside as {}", aside.display()),
        Err(error) => format!("nor can it be set aside ({error}): the next order replaces it"),
    };
    format!(
        "{shown}, which says what backends are ordered to be, cannot be understood: {damage}; {done}. Orders of before are lost: \
         backends that are not to be used must be drained, or put into maintenance, again"
    )
}

fn text(orders: &Orders) -> String {
    let line = |(key, (address, order)): (&BackendKey, &(SocketAddr, Order))| Line {
        service: key.service.clone(),
        backend: key.backend.clone(),
        address: *address,
        drained: order.drained,
        maintenance: order.maintenance,
        weight: order.weight,
    };
    let contents = Contents { version: VERSION, orders: orders.iter().map(line).collect() };
    format!("{:#}\n", serde_json::json!(contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Orders {
        let key = |backend: &str| BackendKey { service: "mysql".to_owned(), backend: backend.to_owned() };
        let order = |order| ("10.0.0.11:3307".parse().unwrap(), order);
        Orders::from([
            (key("c1"), order(Order { drained: true, ..Order::default() })),
            (key("c2"), order(Order { maintenance: true, weight: Some(Weight::Percent(50)), ..Order::default() })),
        ])
    }

    #[test]
    fn orders_are_there_again_until_they_are_undone() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let Loaded { mut file, orders: before, trouble } = OrderFile::load(&state, "c1");
        assert_eq!((before, trouble, state.exists()), (None, None, false));
        file.write(&orders()).unwrap();
        let mut again = OrderFile::load(&state, "c1");
        assert_eq!((again.orders, again.trouble), (Some(orders()), None));
        assert_eq!(OrderFile::load(&state, "c2").orders, None, "another instance");
        again.file.write(&Orders::new()).unwrap();
        assert!(!state.join("c1").exists());
    }

    #[test]
    fn a_file_that_is_not_understood_is_set_aside_and_named() {
        let whole = text(&orders());
        let later = whole.replace("\"version\": 1", "\"version\": 2");
        let twice = whole.replace("\"c2\"", "\"c1\"");
        let half = &whole[..whole.len() / 2];
        let bad = [half, "", "{}", "\u{0}", &later, &twice, &whole.replace("50%", "5000%")];
        for (contents, why) in
            bad.iter().zip(["EOF", "EOF", "missing", "expected", "version 2", "two orders", "no weight"])
        {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("c1")).unwrap();
            fs::write(root.path().join("c1/orders"), contents).unwrap();
            let Loaded { mut file, orders: found, trouble } = OrderFile::load(root.path(), "c1");
            let trouble = trouble.unwrap();
            assert!(trouble.contains("c1/orders, ") && trouble.contains("c1/orders.damaged"), "{trouble}");
            assert!(trouble.contains(why), "{why}: {trouble}");
            assert_eq!(found, None);
            assert_eq!(&fs::read_to_string(root.path().join("c1/orders.damaged")).unwrap(), contents);
            file.write(&orders()).unwrap();
            assert_eq!(OrderFile::load(root.path(), "c1").orders, Some(orders()));
        }
    }

    #[test]
    fn what_cannot_be_written_is_not_so() {
        let root = tempfile::tempdir().unwrap();
        let mut file = OrderFile::load(root.path(), "c1").file;
        fs::write(root.path().join("c1"), "a file where the directory is to be").unwrap();
        let error = file.write(&orders()).unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("c1/orders"), "{error}");
        fs::remove_file(root.path().join("c1")).unwrap();
        file.write(&orders()).unwrap();
        assert_eq!(OrderFile::load(root.path(), "c1").orders, Some(orders()));
    }
}
