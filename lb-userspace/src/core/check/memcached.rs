//! memcached's text protocol, as far as a check speaks it: `version`, and `quit`.

use super::shown;

/// The question.
pub const VERSION: &[u8] = b"version\r\n";
/// The farewell: the server closes the connection.
pub const QUIT: &[u8] = b"quit\r\n";
/// Longest line that is read.
pub const LINE: usize = 1024;

/// The first line of what was received; `None` if its end is not there yet.
///
/// # Errors
/// If it is longer than any that memcached sends.
pub fn line(received: &[u8]) -> Result<Option<&[u8]>, String> {
    match received.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(Some(&received[..end])),
        None if received.len() >= LINE => Err(format!("no end of line within {LINE} bytes: this is no memcached")),
        None => Ok(None),
    }
}

/// What an answer to [`VERSION`] says.
///
/// # Errors
/// If it is not one.
pub fn judge(line: &[u8]) -> Result<String, String> {
    match line.strip_prefix(b"VERSION ") {
        Some(version) if !version.is_empty() => Ok(format!("memcached {}", shown(version))),
        _ => Err(format!("answered \"{}\" to `version`", shown(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_passes_and_nothing_else() {
        assert_eq!(judge(b"VERSION 1.6.18"), Ok("memcached 1.6.18".into()));
        for (line, said) in [(&b"ERROR"[..], "ERROR"), (b"SERVER_ERROR out of memory", "SERVER_ERROR out of memory")] {
            assert_eq!(judge(line), Err(format!("answered \"{said}\" to `version`")));
        }
        assert!(judge(b"").is_err() && judge(b"VERSION ").is_err() && judge(b"version 1").is_err());
    }

    #[test]
    fn a_line_ends_with_cr_lf_and_is_bounded() {
        assert_eq!(line(b"VERSION 1\r\nmore"), Ok(Some(&b"VERSION 1"[..])));
        assert_eq!((line(b""), line(b"VERSION 1\n"), line(b"VERSION 1\r")), (Ok(None), Ok(None), Ok(None)));
        assert!(line(&[b'x'; LINE]).is_err());
    }
}
