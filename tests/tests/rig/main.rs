//! The lab itself: what other tests believe of its networks, hosts, services and loads. They need root and fail without it.

mod lab;
mod network;
mod services;
