//! What becomes of a backend's connections and share when its state changes, in the lab, one behaviour each. They need root and fail
//! without it. What a check makes of a real server is `checks`.

mod agent;
mod drain;
mod events;
mod failure;
mod fallen;
mod hosts;
mod idle;
mod on_down;
mod orders;
mod quorum;
mod reload;
mod second_chance;
mod sick_web;
mod slow_start;
mod writer;
