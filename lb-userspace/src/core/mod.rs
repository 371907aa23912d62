//! Decisions as functions of data and time: no I/O, no clock, no randomness of its own.

pub mod agent;
pub mod check;
pub mod command;
pub mod config;
pub mod controller;
pub mod doctor;
pub mod election;
pub mod event;
pub mod explain;
pub mod features;
pub mod handover;
pub mod health;
pub mod hooks;
pub mod maglev;
pub mod order;
pub mod plan;
pub mod run;
pub mod sync;
pub mod tracking;
pub mod view;
pub mod vrrp;
pub mod writer;
