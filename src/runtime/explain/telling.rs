//! Stories on their way to our output: concluded, counted and written, batch by batch. Refuses to read a log.

use std::io::{self, BufWriter, Stdout, Write as _};

use color_eyre::Result;

use crate::export::{explain_json, explain_text};
use crate::oom_log::{Episode, Form, Span};
use crate::post_mortem::{Story, Tally, Teller};
use crate::runtime::headless::columns_of;

/// Bytes that are written at once.
const CHUNK: usize = 256 * 1024;

pub(super) struct Telling {
    teller: Teller,
    tally: Tally,
    out: Output,
    text: String,
}

/// What a log says of kills.
pub(super) enum Said {
    /// It is no kernel's log.
    Nothing,
    /// Not who died, or whether those did who were asked for; that was told.
    NotAll,
    All,
}

enum Output {
    /// Lines of at most so many columns.
    Text(BufWriter<Stdout>, Option<usize>),
    Json(explain_json::Writer<BufWriter<Stdout>>),
}

impl Telling {
    pub fn new(json: bool, tally: Tally) -> Self {
        let out = BufWriter::with_capacity(CHUNK, io::stdout());
        let out = if json {
            Output::Json(explain_json::Writer::new(out))
        } else {
            Output::Text(out, columns_of(&io::stdout()))
        };
        Self { teller: Teller::default(), tally, out, text: String::new() }
    }

    pub fn tell(&mut self, episodes: Vec<Episode>) -> Result<Vec<Story>> {
        let mut told = Vec::with_capacity(episodes.len());
        for episode in episodes {
            let story = self.teller.tell(episode);
            if self.tally.count(&story) {
                match &mut self.out {
                    Output::Text(out, width) => {
                        self.text.clear();
                        explain_text::write_story(&mut self.text, &story, *width);
                        out.write_all(self.text.as_bytes())?;
                    }
                    Output::Json(out) => out.story(&story)?,
                }
            }
            told.push(story);
        }
        Ok(told)
    }

    /// Tells the end of it; what the log says of kills.
    pub fn finish(self, span: &Span, form: &Form) -> Result<Said> {
        let says_something = !self.tally.is_empty() || form.census.is_of_a_kernel_log();
        let is_certain = self.tally.is_certain(form);
        let answers = self.tally.answers(span, form);
        match self.out {
            Output::Json(out) => out.finish(span, form, answers)?,
            Output::Text(..) if !says_something => {}
            Output::Text(mut out, width) => {
                let mut last: Vec<_> = answers.map(|(_, answer)| answer).collect();
                if last.is_empty() {
                    last.push(self.tally.closing(span, form));
                }
                let mut text = String::new();
                for sentence in &last {
                    explain_text::write_sentence(&mut text, "", sentence, width);
                }
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
        }
        Ok(match (says_something, is_certain) {
            (false, _) => Said::Nothing,
            (true, false) => Said::NotAll,
            (true, true) => Said::All,
        })
    }
}
