//! Serves the console, the static files of `infra/console`, as a Lambda function and in the local program.
//!
//! The files are the same for everyone and hold nothing secret: what they show they ask of the API, with a token of the
//! person who looks.
//!
//! # Layout
//! - `console`: from a path to its answer. `files` has the files, which `build.rs` compresses, `sign_in` what
//!   `config.json` says.
//! - `lambda`: the answers of the function, which also answers whatever the API has no route for.
//! - `page`: the headers of a page's files.

mod console;
mod files;
mod lambda;
mod page;
mod sign_in;

pub use console::{Console, PATH};
pub use lambda::answer;
pub use page::page;
pub use sign_in::{Claims, SignIn, SignInError};
