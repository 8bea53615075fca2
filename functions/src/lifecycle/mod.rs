//! The lifecycle map: show.

pub mod show;
