//! Compiles bodies and credentials: reads the files that are sent, and says which content type a body has.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::body::{Auth, Body, Content, Part};
use crate::compile::compiler::{Compiled, Compiler};
use crate::file::{AuthFile, PartFile, RequestFile, SentFile, SentFileTable, Texts};
use crate::template::Template;

/// The longest file that is sent, in bytes: files are held in memory.
const FILE_BYTES_MAX: u64 = 256 << 20;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

impl Compiler<'_> {
    /// The body, and its content type where no header of the request says another one. A multipart body makes its own for each request.
    pub(super) fn body(
        &self,
        raw: &mut RequestFile,
        span: &Range<usize>,
    ) -> Compiled<(Option<Body>, Option<String>)> {
        let given = [
            raw.body.is_some(),
            raw.form.is_some(),
            raw.text.is_some(),
            raw.file.is_some(),
            raw.base64.is_some(),
            raw.multipart.is_some(),
        ];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err(self.source.error(
                span.clone(),
                "a request has one body",
                Some(
                    "allowed: one of `body` (JSON), `form`, `multipart`, `text`, `file`, `base64`"
                        .into(),
                ),
            ));
        }
        let whole = |content, content_type: &str| {
            Ok((Some(Body::Whole(content)), Some(content_type.to_owned())))
        };
        if let Some(body) = raw.body.take() {
            // JSON is what a body is where nothing else is said.
            return Ok((Some(Body::Whole(Content::Text(body.0))), None));
        }
        if let Some(form) = raw.form.take() {
            return whole(Content::Text(Template::fields(Texts::each(form))), FORM);
        }
        if let Some(text) = raw.text.take() {
            return whole(Content::Text(text), TEXT);
        }
        if let Some(base64) = raw.base64.take() {
            return whole(self.base64(base64, span)?, BYTES);
        }
        if let Some(SentFile(file)) = raw.file.take() {
            return whole(self.file(&file, span)?, &content_type(&file.path));
        }
        let Some(parts) = raw.multipart.take() else {
            return Ok((None, None));
        };
        let parts = parts.into_iter().map(|part| self.part(part, span));
        let parts = parts.collect::<Compiled<Vec<_>>>()?;
        if parts.is_empty() {
            let help = "allowed: `multipart = [{ name = …, text = … }, { name = …, file = … }]`";
            return Err(self.source.error(
                self.source.find("multipart", span.clone()),
                "a multipart body without a part",
                Some(help.into()),
            ));
        }
        let own_type = raw
            .headers
            .keys()
            .find(|n| n.eq_ignore_ascii_case("content-type"));
        if let Some(name) = own_type {
            return Err(self.source.error(
                self.source.find(name, span.clone()),
                "a multipart body has a content type of its own, which names its boundary",
                Some(format!("leave out the header `{name}`")),
            ));
        }
        Ok((Some(Body::Multipart(parts)), None))
    }

    fn part(&self, raw: PartFile, span: &Range<usize>) -> Compiled<Part> {
        let mut filename = raw.filename;
        let mut content_type_ = raw.content_type;
        let content = match (raw.text, raw.body, raw.file, raw.base64) {
            (Some(text), None, None, None) => Content::Text(text),
            (None, Some(body), None, None) => {
                content_type_.get_or_insert_with(|| JSON.to_owned());
                Content::Text(body.0)
            }
            (None, None, Some(SentFile(file)), None) => {
                content_type_.get_or_insert_with(|| content_type(&file.path));
                if filename.is_none() {
                    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                    filename = Some(Template::literal_text(&name));
                }
                self.file(&file, span)?
            }
            (None, None, None, Some(base64)) => {
                content_type_.get_or_insert_with(|| BYTES.to_owned());
                self.base64(base64, span)?
            }
            _ => {
                return Err(self.source.error(
                    self.source.find("multipart", span.clone()),
                    "a part has one content",
                    Some("allowed: one of `text`, `body` (JSON), `file`, `base64`".into()),
                ));
            }
        };
        let legal = |c: char| c.is_ascii_graphic() || c == ' ';
        if content_type_
            .as_ref()
            .is_some_and(|t| !t.chars().all(legal))
        {
            return Err(self.source.error(
                self.source.find("type", span.clone()),
                "a part's `type` is not a content type",
                Some("allowed: as in \"image/png\"".into()),
            ));
        }
        Ok(Part {
            name: raw.name,
            filename,
            content_type: content_type_,
            content,
        })
    }

    /// Base64 that has no `{{…}}` is decoded at once.
    fn base64(&self, text: Template, span: &Range<usize>) -> Compiled<Content> {
        let Some(literal) = text.as_literal() else {
            return Ok(Content::Base64(text));
        };
        match crate::filter::base64_decoded(literal) {
            Ok(bytes) => Ok(Content::Bytes(bytes.into())),
            Err(problem) => Err(self.source.error(
                self.source.find("base64", span.clone()),
                format!("`base64`: {problem}"),
                Some("allowed: as in base64 = \"AAEC/w==\"".into()),
            )),
        }
    }

    fn file(&self, file: &SentFileTable, span: &Range<usize>) -> Compiled<Content> {
        let shown = file.path.display().to_string();
        let wrong = |problem: String, help: &str| {
            let place = self.source.find(&shown, span.clone());
            self.source.error(place, problem, Some(help.to_owned()))
        };
        if shown.contains("{{") {
            return Err(wrong(
                format!("`{shown}`: a file is read before the first request, so its path is fixed"),
                "allowed: a path without {{…}}; {{…}} in the file's text with { path = …, template = true }",
            ));
        }
        let path = self.beside(&file.path);
        let unreadable = |e: std::io::Error| {
            let help = "a file beside the scenario";
            wrong(format!("can't read {}: {e}", path.display()), help)
        };
        let file_read = self.files.open(&path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let mut some = file_read.take(FILE_BYTES_MAX + 1);
        some.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let problem = format!("{} is too long", path.display());
            return Err(wrong(problem, "allowed: up to 256 MiB"));
        }
        if !file.template {
            return Ok(Content::Bytes(bytes.into()));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            let problem = format!("{} is not UTF-8 text", path.display());
            wrong(
                problem,
                "a template is text; leave out `template` to send the bytes as they are",
            )
        })?;
        let template = Template::text(&text);
        let template = template
            .map_err(|e| wrong(format!("{}: {e}", path.display()), "text with {{…}} in it"))?;
        Ok(Content::Text(template))
    }

    /// A path that is relative to the scenario's folder.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        let folder = Path::new(self.source.file).parent();
        folder.unwrap_or(Path::new("")).join(path)
    }

    pub(super) fn auth(&self, raw: AuthFile, span: &Range<usize>) -> Compiled<Auth> {
        let wrong = |problem: &str| {
            let place = self.source.find("auth", span.clone());
            let help = "allowed: `auth = { basic = { user = …, password = … } }` or `auth = { bearer = … }`";
            Err(self.source.error(place, problem, Some(help.into())))
        };
        match (raw.basic, raw.bearer) {
            (Some(basic), None) => match basic.user.as_literal() {
                // Everything behind the first colon would be the password (RFC 7617, 2).
                Some(user) if user.contains(':') => wrong("a user's name can't have a colon"),
                _ => Ok(Auth::Basic {
                    user: basic.user,
                    password: basic.password,
                }),
            },
            (None, Some(token)) => Ok(Auth::Bearer(token)),
            _ => wrong("`auth` needs one kind of credentials"),
        }
    }
}

/// What the ending of a file's name says.
fn content_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_raw();
    guess.unwrap_or(BYTES).to_owned()
}
