//! Serves the console, the static files of `infra/console`, as a Lambda function and in the local program.
//!
//! The files are the same for every user and contain no secrets: the page calls the API with the user's token.
//!
//! # Layout
//! - `console`: responses to the console's paths. `files`: the files, which `build.rs` compresses. `sign_in`: the
//!   content of `config.json`.
//! - `lambda`: the responses of the function, including those for paths without a route.
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
