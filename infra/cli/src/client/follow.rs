//! Prints the events of a running program, one CloudEvent per line. They are read over HTTP from `/events`, because the
//! program has locked its data directory.

use std::io::{self, BufRead as _, BufReader, Write};

use arcadia_local::events_route::PATH;
use ureq::http::{Request as HttpRequest, header};

use super::text::visible_json;
use super::{Client, Failure, Problem};

impl Client {
    /// Prints the stored events and, with `follow`, new ones until the program stops.
    ///
    /// # Errors
    /// [`Failure`] if the program rejects the request, or stops while its events are followed.
    pub fn print_events(&self, follow: bool, output: &mut impl Write) -> Result<(), Failure> {
        let request = HttpRequest::get(format!("{}{PATH}?follow={follow}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.borrow()))
            .header("last-event-id", "0")
            .body(())
            .map_err(|error| Failure::Usage(format!("the request cannot be made: {error}")))?;
        // A followed response has no time limit.
        let request = self.agent.configure_request(request).timeout_global(None).build();
        let unreachable = |error: ureq::Error| Failure::Unreachable {
            url: self.base.clone(),
            reason: error.to_string(),
            repetition: None,
        };
        let mut response = self.agent.run(request).map_err(unreachable)?;
        if !response.status().is_success() {
            let text = response.body_mut().read_to_string().map_err(unreachable)?;
            return Err(Failure::Refused(Box::new(Problem::new(response.status().as_u16(), &text, self.json))));
        }
        let stopped = || Failure::Stopped(self.base.clone());
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|_| stopped())?;
            if line == "event: gap" {
                anstream::eprintln!("some earlier events are no longer stored");
            } else if let Some(event) = line.strip_prefix("data: ").filter(|data| *data != "{}") {
                match writeln!(output, "{}", visible_json(event)).and_then(|()| output.flush()) {
                    // A reader that closes the pipe early, such as `head`, is not an error.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
        }
        if follow { Err(stopped()) } else { Ok(()) }
    }
}
