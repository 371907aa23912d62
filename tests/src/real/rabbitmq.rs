//! RabbitMQ: a cluster of a broker on every controller, with one quorum queue; Python clients (pika) publish over many
//! connections, each message confirmed, and consume over one that lives as long as the service.
//!
//! An operation is a message that was confirmed *and* consumed.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::Batch;
use super::broker::{Broker, PORT, node_name};
use super::packages::PYTHON;
use super::python;
use super::service::{START, Service, await_printed};
use crate::lab::{Lab, Node, Process, wait_until};

/// Name of the queue, and of the consumer's connection.
const QUEUE: &str = "demo";

/// Messages over each of the publisher's connections.
const MESSAGES_PER_CONNECTION: usize = 10;

/// How long a confirmed message may take to its consumer: a queue may have to elect a leader in between.
const DELIVERY: Duration = Duration::from_secs(20);

/// How long a connection may be missing in the broker's log.
const LOGGED: Duration = Duration::from_secs(5);

/// A running cluster with its clients.
#[derive(Debug)]
pub struct RabbitMq {
    /// Those that run.
    brokers: Vec<Broker>,
    consumer: Option<Consumer>,
    published: usize,
}

/// The long-lived connection.
#[derive(Debug)]
struct Consumer {
    process: Process,
    /// Where it arrived, and whom the broker sees.
    host: String,
    seen_as: IpAddr,
}

/// What the publisher prints.
#[derive(Debug, Deserialize)]
struct Published {
    confirmed: BTreeSet<usize>,
    failed: usize,
    connections: usize,
    errors: Vec<String>,
}

impl RabbitMq {
    /// Starts a broker on every controller; returns once all are running members of one cluster.
    pub fn start(lab: &Lab) -> Result<Self> {
        let hosts: Vec<&Node> = lab.hosts().collect();
        let brokers = hosts.iter().map(|host| Broker::start(lab, host, &hosts)).collect::<Result<Vec<_>>>()?;
        let mut cluster = Self { brokers, consumer: None, published: 0 };
        cluster.brokers.iter_mut().try_for_each(Broker::await_started)?;
        let all: BTreeSet<String> = hosts.iter().map(|host| node_name(host.address)).collect();
        wait_until(START, "a RabbitMQ cluster of all brokers", || {
            let status = cluster.any()?.control(&["cluster_status"])?;
            let running: BTreeSet<String> = serde_json::from_value(status["running_nodes"].clone())?;
            if running == all { Ok(()) } else { bail!("running: {running:?}") }
        })?;
        Ok(cluster)
    }

    /// The broker of a host.
    ///
    /// # Errors
    /// If none runs there.
    pub fn on(&mut self, host: &str) -> Result<&mut Broker> {
        let broker = self.brokers.iter_mut().find(|broker| broker.host().name == host);
        broker.with_context(|| format!("no broker runs on {host}"))
    }

    fn any(&self) -> Result<&Broker> {
        self.brokers.first().context("no broker runs any more")
    }

    /// The consumer; started if it is not there yet.
    fn consumer(&mut self, client: &Node, target: Ipv4Addr) -> Result<&mut Consumer> {
        if self.consumer.is_none() {
            let command = python::command(python::CONSUME, &[&target, &PORT, &QUEUE]);
            let mut process = client.spawn("amqp-consumer", command)?;
            await_printed(&mut process, "ready")?;
            let connections =
                self.any()?.control(&["list_connections", "peer_host", "peer_port", "client_properties"])?;
            let seen_as = find_consumer(&connections)
                .with_context(|| format!("the consumer is none of the brokers' connections: {connections}"))?;
            let host = self.where_accepted(target, seen_as)?;
            let seen_as = seen_as.ip();
            self.consumer = Some(Consumer { process, host, seen_as });
        }
        self.consumer.as_mut().context("no consumer")
    }

    /// Connections to `target` that the brokers have logged, as (host, client).
    fn accepted(&self, target: Ipv4Addr) -> Vec<(String, SocketAddr)> {
        let of_broker = |broker: &Broker| {
            let log = broker.log();
            let clients = log.lines().filter_map(|line| accepted_client(line, target));
            clients.map(|client| (broker.host().name.clone(), client)).collect::<Vec<_>>()
        };
        self.brokers.iter().flat_map(of_broker).collect()
    }

    /// Host of the broker that logged a connection from `client`.
    fn where_accepted(&self, target: Ipv4Addr, client: SocketAddr) -> Result<String> {
        wait_until(LOGGED, &format!("the connection from {client} in a broker's log"), || {
            let accepted = self.accepted(target).into_iter().find(|(_, address)| *address == client);
            accepted.map(|(host, _)| host).ok_or("it is in none")
        })
    }
}

impl Service for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn port(&self) -> u16 {
        PORT
    }

    fn description(&self) -> &'static str {
        "RabbitMQ, a quorum queue; Python clients (pika): publish with confirms, 10 to a connection; one consumer"
    }

    fn request(&self, target: Ipv4Addr) -> String {
        format!("{PYTHON} -c 'import pika; print(pika.BlockingConnection(pika.ConnectionParameters(\"{target}\")))'")
    }

    fn drive(&mut self, client: &Node, target: Ipv4Addr, ops: usize) -> Result<Batch> {
        let first = self.published;
        self.published += ops;
        let consumer = self.consumer(client, target)?;
        let mut batch = Batch::default();
        batch.saw(&consumer.host.clone(), consumer.seen_as);
        let before: BTreeSet<_> = self.accepted(target).into_iter().collect();

        let arguments: [&dyn Display; 6] = [&target, &PORT, &QUEUE, &first, &ops, &MESSAGES_PER_CONNECTION];
        let published: Published = python::run(client, python::PUBLISH, &arguments)?;
        batch.ops = ops;
        batch.failed = published.failed;
        batch.errors = published.errors;
        let consumer = self.consumer(client, target)?;
        if let Err(error) = consumer.await_delivery(&published.confirmed) {
            batch.failed += consumer.missing(&published.confirmed);
            batch.errors.push(format!("{error:#}"));
        }
        let seen = wait_until(LOGGED, &format!("{} connections in the brokers' logs", published.connections), || {
            let seen: Vec<_> = self.accepted(target).into_iter().filter(|entry| !before.contains(entry)).collect();
            if seen.len() >= published.connections { Ok(seen) } else { Err(format!("{}", seen.len())) }
        })?;
        seen.iter().for_each(|(host, address)| batch.saw(host, address.ip()));
        Ok(batch)
    }

    /// One that the long-lived connection does not end at, nor the VIP's holder.
    fn victim(&self) -> Result<String> {
        let occupied = self.consumer.as_ref().map(|consumer| &consumer.host);
        let free = self.brokers.iter().rev().map(|broker| &broker.host().name).find(|host| Some(*host) != occupied);
        Ok(free.context("no broker without the consumer")?.clone())
    }

    fn end_on(&mut self, host: &str) -> Result<()> {
        let position = self.brokers.iter().position(|broker| broker.host().name == host);
        self.brokers.remove(position.with_context(|| format!("no broker runs on {host}"))?).kill()
    }
}

impl Consumer {
    /// Waits until all messages have been consumed.
    fn await_delivery(&self, messages: &BTreeSet<usize>) -> Result<()> {
        wait_until(DELIVERY, &format!("the delivery of {} messages", messages.len()), || match self.missing(messages) {
            0 => Ok(()),
            missing => Err(format!("{missing} are missing{}", self.process.tail())),
        })
    }

    /// Messages not consumed yet.
    fn missing(&self, messages: &BTreeSet<usize>) -> usize {
        let printed = self.process.stdout();
        let consumed: BTreeSet<usize> = printed.lines().filter_map(|line| line.parse().ok()).collect();
        messages.difference(&consumed).count()
    }
}

/// The consumer's end of its connection, in the answer to `rabbitmqctl list_connections`, where addresses are lists of
/// numbers and properties are triples of name, type and value.
fn find_consumer(connections: &Value) -> Option<SocketAddr> {
    let name = json!(["connection_name", "longstr", QUEUE]);
    let named = |row: &&Value| row["client_properties"].as_array().is_some_and(|properties| properties.contains(&name));
    let consumer = connections.as_array()?.iter().find(named)?;
    let address: [u8; 4] = serde_json::from_value(consumer["peer_host"].clone()).ok()?;
    let port = u16::try_from(consumer["peer_port"].as_u64()?).ok()?;
    Some((address, port).into())
}

/// The client of a line of a broker's log that tells of a new connection to `target`:
/// `... accepting AMQP connection <0.823.0> (10.77.0.200:41000 -> 10.77.0.100:5672)`.
fn accepted_client(line: &str, target: Ipv4Addr) -> Option<SocketAddr> {
    let (_, ends) = line.split_once("accepting AMQP connection ")?;
    let (client, server) = ends.split_once('(')?.1.split_once(" -> ")?;
    let to_target = server.strip_suffix(')')?.parse() == Ok(SocketAddr::from((target, PORT)));
    to_target.then(|| client.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_new_connections_from_the_log() {
        let line = "2026-11-21 05:54:50.032027+00:00 [info] <0.660.0> accepting AMQP connection <0.660.0> \
                    (10.77.0.200:41000 -> 10.77.0.100:5672)";
        let client = Some(SocketAddr::from(([10, 77, 0, 200], 41000)));
        assert_eq!(accepted_client(line, Ipv4Addr::new(10, 77, 0, 100)), client);
        assert_eq!(accepted_client(line, Ipv4Addr::new(10, 77, 0, 11)), None);
        assert_eq!(accepted_client("[info] <0.660.0> closing AMQP connection", Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn finds_the_consumer_by_its_name() {
        let row = |name: &str, port: u16| {
            let properties = json!([["product", "longstr", "Pika"], ["connection_name", "longstr", name]]);
            json!({"peer_host": [10, 77, 0, 200], "peer_port": port, "client_properties": properties})
        };
        let consumer = Some(SocketAddr::from(([10, 77, 0, 200], 41000)));
        assert_eq!(find_consumer(&json!([row("other", 1), row(QUEUE, 41000)])), consumer);
        assert_eq!(find_consumer(&json!([row("other", 1)])), None);
    }
}
