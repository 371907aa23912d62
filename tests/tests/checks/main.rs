//! Health checks against the servers that they are for: MariaDB, alone and as a member of a Galera cluster, RabbitMQ, memcached,
//! nginx; healthy, stopped, refusing, and in the states in which a connection alone would pass.
//!
//! Needs root and the packages of `cargo xtask setup real`, and fails without them.

mod brokers;
mod caches;
mod certificates;
mod cluster;
mod daemon;
mod databases;
mod galera;
mod mariadb;
mod members;
mod queues;
mod rig;
mod switch;
mod web;
