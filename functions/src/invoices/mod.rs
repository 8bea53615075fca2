//! Invoices: find across deployments; of one deployment: list, show, record and reverse payments, void, credit, write
//! off, move due dates.

pub mod credit;
pub mod find;
pub mod list;
pub mod pay;
pub mod reverse;
pub mod show;
pub mod update;
pub mod void;
pub mod withdraw_write_off;
pub mod write_off;
