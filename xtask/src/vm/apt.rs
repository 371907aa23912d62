//! Packages of another Debian release, by way of the machine's own apt sources: that is where its mirror is known.
//!
//! In: the sources, rewritten for one suite ([`rewritten`]). Out: the files of a package in a folder. apt works in
//! private folders; nothing of the machine's own packages is looked at or changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::output;

/// Where apt's sources are.
const MAIN_LIST: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

/// A file of apt sources: name and contents. Those named `*.sources` are in deb822 format, others have a source a line.
type SourceFile = (String, String);

/// apt at work on one suite, in a folder of its own.
#[derive(Debug)]
pub(super) struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    /// Fetches the lists of packages of a suite into an empty folder.
    pub(super) fn of_suite(suite: &str, folder: &'a Path) -> Result<Self> {
        let codename = codename(&fs::read_to_string("/etc/os-release").unwrap_or_default())?;
        let sources: Vec<SourceFile> = rewritten(&read_sources()?, &codename, suite);
        if sources.is_empty() {
            bail!(
                "no apt source of {codename}'s component `main` in {MAIN_LIST} or {PARTS}: its mirror is where {suite} is \
                 looked for. Add one"
            );
        }
        for part in ["sources", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("making {}/{part}", folder.display()))?;
        }
        for (name, text) in sources {
            fs::write(folder.join("sources").join(name), text).context("writing apt sources")?;
        }
        fs::write(folder.join("status"), "").context("writing an empty list of installed packages")?;
        let apt = Self { folder };
        // A mirror need not have everything (a suite may have no security updates of its own): what counts is whether
        // the package is found.
        if let Err(error) = output(apt.command("apt-get").arg("update")) {
            eprintln!("xtask: not all lists of packages of {suite} could be fetched: {error:#}");
        }
        Ok(apt)
    }

    /// The first package whose name has this beginning among those that a package depends on.
    pub(super) fn dependency(&self, package: &str, beginning: &str) -> Result<String> {
        let shown = output(self.command("apt-cache").args(["depends", package]))
            .with_context(|| format!("looking for the package {package}"))?;
        let found = dependency(&shown, beginning);
        Ok(found.with_context(|| format!("{package} depends on no {beginning}*:\n{shown}"))?.to_owned())
    }

    /// Downloads a package and unpacks it into a folder.
    pub(super) fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        let downloads = self.folder.join("download");
        fs::create_dir_all(&downloads).with_context(|| format!("making {}", downloads.display()))?;
        output(self.command("apt-get").args(["download", package]).current_dir(&downloads))
            .with_context(|| format!("downloading {package}"))?;
        let mut files = fs::read_dir(&downloads).with_context(|| format!("reading {}", downloads.display()))?.flatten();
        let file = files.next().with_context(|| format!("{package} was downloaded, and no file is there"))?.path();
        output(Command::new("dpkg").arg("-x").args([&file, into]))
            .with_context(|| format!("unpacking {}", file.display()))?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let path = |part: &str| self.folder.join(part).display().to_string();
        let mut command = Command::new(program);
        command.arg("-q");
        for option in [
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("Dir::Etc::sourceparts={}", path("sources")),
            format!("Dir::State::lists={}", path("lists")),
            format!("Dir::State::status={}", path("status")),
            format!("Dir::Cache={}", path("cache")),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // What is downloaded goes into folders that are root's.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

fn read_sources() -> Result<Vec<SourceFile>> {
    let parts = fs::read_dir(PARTS).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = parts.chain([MAIN_LIST.into()]).filter(|path| path.is_file());
    let wanted = files.filter(|path| path.extension().is_some_and(|is| is == "list" || is == "sources"));
    wanted
        .map(|path| {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok((path.file_name().unwrap_or_default().display().to_string(), text))
        })
        .collect()
}

/// The release's name, as apt sources have it.
fn codename(os_release: &str) -> Result<String> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("no VERSION_CODENAME in /etc/os-release: is this Debian?")?.trim_matches('"').to_owned())
}

/// The sources that have the machine's release in component `main`, for another suite; its security updates, too.
fn rewritten(files: &[SourceFile], codename: &str, suite: &str) -> Vec<SourceFile> {
    let rename = |name: &str| match name.strip_prefix(codename)? {
        "" => Some(suite.to_owned()),
        "-security" => Some(format!("{suite}-security")),
        // Updates, backports: not needed for a kernel.
        _ => None,
    };
    let rewrite = |(name, text): &SourceFile| {
        let kept: Vec<String> = if name.ends_with(".sources") {
            stanzas(text).filter_map(|stanza| rewritten_stanza(stanza, rename)).collect()
        } else {
            text.lines().filter_map(|line| rewritten_line(line, rename)).collect()
        };
        (!kept.is_empty()).then(|| (name.clone(), kept.join("\n")))
    };
    files.iter().filter_map(rewrite).collect()
}

/// Paragraphs, divided by empty lines.
fn stanzas(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let stanzas: Vec<Vec<&str>> = lines.split(|line| line.trim().is_empty()).map(<[&str]>::to_vec).collect();
    stanzas.into_iter().filter(|stanza| !stanza.is_empty())
}

/// A paragraph in deb822 format (sources.list(5)), of which the field `Suites` is changed.
fn rewritten_stanza(stanza: Vec<&str>, rename: impl Fn(&str) -> Option<String>) -> Option<String> {
    let field = |wanted: &str| {
        let is_wanted = |line: &&str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case(wanted));
        stanza.iter().find(|line| is_wanted(line)).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    };
    let has = |wanted: &str, word: &str| field(wanted).is_some_and(|value| value.split_whitespace().any(|w| w == word));
    if !has("Types", "deb") || !has("Components", "main") || has("Enabled", "no") {
        return None;
    }
    let suites: Vec<String> = field("Suites")?.split_whitespace().filter_map(rename).collect();
    if suites.is_empty() {
        return None;
    }
    let mut text = String::new();
    for line in stanza.iter().filter(|line| !line.starts_with('#')) {
        match line.split_once(':').map(|(name, _)| name.to_ascii_lowercase()).as_deref() {
            Some("suites") => text += &format!("Suites: {}\n", suites.join(" ")),
            Some("types") => text += "Types: deb\n",
            Some("components") => text += "Components: main\n",
            _ => text += &format!("{line}\n"),
        }
    }
    Some(text)
}

/// A line `deb [options] URI suite component...`.
fn rewritten_line(line: &str, rename: impl Fn(&str) -> Option<String>) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(options, rest)| (format!("[{options}] "), rest))?,
        None => (String::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, rename(words.next()?)?);
    words
        .take_while(|word| !word.starts_with('#'))
        .any(|word| word == "main")
        .then(|| format!("deb {options}{uri} {suite} main\n"))
}

/// The first package with this beginning in what `apt-cache depends` shows.
fn dependency<'a>(shown: &'a str, beginning: &str) -> Option<&'a str> {
    let depends = shown.lines().filter_map(|line| line.trim_start().trim_start_matches('|').strip_prefix("Depends: "));
    depends.map(str::trim).find(|package| package.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, text: &str, suite: &str) -> Vec<SourceFile> {
        rewritten(&[(name.to_owned(), text.to_owned())], "bookworm", suite)
    }

    #[test]
    fn deb822_sources_get_the_suite_and_its_security_updates() {
        let text = "Types: deb deb-src\n# a remark\nURIs: http://archive/debian\nSuites: bookworm bookworm-updates\n\
            Components: main contrib\nSigned-By: /keys.gpg\n\n\
            Types: deb\nURIs: http://archive/debian-security\nSuites: bookworm-security\nComponents: main\n";
        let expected = "Types: deb\nURIs: http://archive/debian\nSuites: trixie\nComponents: main\nSigned-By: /keys.gpg\n\n\
            Types: deb\nURIs: http://archive/debian-security\nSuites: trixie-security\nComponents: main\n";
        assert_eq!(one("debian.sources", text, "trixie"), [("debian.sources".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn a_key_within_a_source_stays_whole() {
        let text = "Types: deb\nURIs: http://archive\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc:\n";
        let rewritten = one("d.sources", text, "trixie");
        assert!(rewritten[0].1.ends_with("Signed-By:\n -----BEGIN\n .\n abc:\n"), "{rewritten:?}");
    }

    #[test]
    fn one_line_sources_get_the_suite_and_keep_their_options() {
        let text = "# deb http://old bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://archive/debian bookworm main contrib\n\
            deb-src http://archive/debian bookworm main\ndeb http://archive/debian bookworm-backports main\n\
            deb http://archive/debian-security bookworm-security main # remark\n";
        let expected = "deb [arch=amd64 signed-by=/k.gpg] http://archive/debian bullseye main\n\n\
            deb http://archive/debian-security bullseye-security main\n";
        assert_eq!(one("sources.list", text, "bullseye"), [("sources.list".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn sources_of_others_are_left_out() {
        for text in [
            "deb https://other/linux/debian bookworm stable\n",
            "deb http://other/apt bookworm-pgdg main\n",
            "deb http://other nodistro main\n",
        ] {
            assert_eq!(one("other.list", text, "trixie"), [], "{text}");
        }
        for text in [
            "Types: deb\nURIs: http://other\nSuites: bookworm\nComponents: stable\n",
            "Types: deb\nURIs: http://archive\nSuites: bookworm\nComponents: main\nEnabled: no\n",
            "Types: deb-src\nURIs: http://archive\nSuites: bookworm\nComponents: main\n",
        ] {
            assert_eq!(one("other.sources", text, "trixie"), [], "{text}");
        }
    }

    #[test]
    fn the_image_is_the_dependency_that_is_one() {
        let shown = "linux-image-amd64\n  Depends: linux-image-6.12.107+deb13-amd64\n  Conflicts: linux-image\n";
        assert_eq!(dependency(shown, "linux-image-"), Some("linux-image-6.12.107+deb13-amd64"));
        assert_eq!(dependency("x\n |Depends: linux-image-5\n  Depends: y\n", "linux-image-"), Some("linux-image-5"));
        assert_eq!(dependency("linux-image-amd64\n  Depends: other\n", "linux-image-"), None);
    }

    #[test]
    fn the_release_has_a_name() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n").unwrap(), "bookworm");
        assert!(codename("ID=arch\n").is_err());
    }
}
