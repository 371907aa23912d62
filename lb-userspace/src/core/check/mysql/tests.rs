use proptest::prelude::*;

use super::*;

/// What MariaDB 10.11 sends.
fn mariadb() -> Vec<u8> {
    let mut payload = b"\x0a5.5.5-10.11.6-MariaDB\0".to_vec();
    payload.extend(7u32.to_le_bytes());
    payload.extend(b"abcdefgh\0");
    payload.extend([0xfe, 0xf7, 33, 2, 0, 0xff, 0x81, 21]);
    payload.extend([0; 10]);
    payload.extend(b"ijklmnopqrst\0mysql_native_password\0");
    payload
}

fn refused(error: MysqlError) -> Refusal {
    match error {
        MysqlError::Refused(refusal) => refusal,
        MysqlError::Malformed(why) => panic!("{why}"),
    }
}

#[test]
fn a_greeting_says_who_greets_and_how_to_log_in() {
    let hello = greeting(&mariadb()).unwrap();
    assert_eq!((hello.version.as_str(), hello.connection), ("5.5.5-10.11.6-MariaDB", 7));
    assert_eq!((hello.nonce, hello.plugin), (b"abcdefghijklmnopqrst".to_vec(), b"mysql_native_password".to_vec()));
}

#[test]
fn a_refusal_in_place_of_a_greeting_is_told() {
    let full = greeting(b"\xff\x10\x04Too many connections").unwrap_err();
    assert_eq!(full.to_string(), "the server refuses: error 1040: Too many connections");
    assert_eq!(refused(full).code, 1040);
    let blocked = greeting(b"\xff\x69\x04Host '10.0.0.11' is blocked because of many connection errors").unwrap_err();
    assert_eq!(refused(blocked).code, 1129);
    assert_eq!(refused(greeting(b"\xff\x15\x04").unwrap_err()), Refusal { code: 1045, message: String::new() });
}

#[test]
fn what_is_no_greeting_is_shown() {
    for (payload, why) in [
        (&b"HTTP/1.1 400 Bad"[..], "greets with \"HTTP/1.1 400 Bad\", which is no MySQL"),
        (b"", "greets with \"\", which is no MySQL"),
        (&mariadb()[..40], "greets with \"5.5.5-10.11.6-MariaDB"),
    ] {
        let error = greeting(payload).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
    let mut old = mariadb();
    old[0] = 9;
    assert_eq!(greeting(&old).unwrap_err().to_string(), "speaks protocol 9 of MySQL, expected 10");
    let mut hostile = mariadb();
    // The length of the nonce.
    hostile[43] = 255;
    assert!(greeting(&hostile).is_err());
    hostile[43] = 0;
    assert!(greeting(&hostile).is_ok());
}

#[test]
fn a_login_names_account_proof_and_plugin() {
    let hello = greeting(&mariadb()).unwrap();
    let payload = hello.login("check", b"proof", b"mysql_native_password", false);
    assert_eq!(payload[..4], (LONG_PASSWORD | NEEDED | PLUGIN_AUTH).to_le_bytes());
    assert_eq!(payload[32..], *b"check\0\x05proofmysql_native_password\0");
    assert_eq!(hello.tls_request().len(), 32);
    assert_eq!(hello.tls_request()[1] & 0x08, 0x08);
    assert!(greeting(&mariadb()).unwrap().offers_tls() == (hello.capabilities & SSL != 0));
}

#[test]
fn replies_to_a_login_are_told_apart() {
    assert_eq!(reply(&[0, 0, 0, 2, 0, 0, 0]), Ok(Reply::Ok));
    assert_eq!(reply(&[1, 4]), Ok(Reply::More(vec![4])));
    let switch = Reply::Switch { plugin: b"client_ed25519".to_vec(), challenge: b"nonce".to_vec() };
    assert_eq!(reply(b"\xfeclient_ed25519\0nonce\0"), Ok(switch));
    let denied = reply(b"\xff\x15\x04#28000Access denied for user 'x'@'c1'").unwrap_err();
    assert_eq!(denied.to_string(), "the server refuses: error 1045: Access denied for user 'x'@'c1'");
    assert!(reply(&[0xfe]).unwrap_err().to_string().contains("MySQL 4.0"));
    assert!(reply(&[]).is_err() && reply(&[7]).is_err());
}

#[test]
fn a_table_of_two_columns_is_read() {
    let mut rows = Rows::default();
    let eof = [0xfe, 0, 0, 2, 0];
    for packet in [&[2][..], b"\x03def...", b"\x03def...", &eof, b"\x0bwsrep_ready\x02ON", b"\x09read_only\xfb"] {
        assert_eq!(rows.take(packet), Ok(false), "{packet:?}");
    }
    assert_eq!(rows.take(&eof), Ok(true));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(rows.pairs, [pair("wsrep_ready", "ON"), pair("read_only", "")]);
}

#[test]
fn a_table_that_is_none_or_has_no_end_is_refused() {
    let error = |packets: &[&[u8]]| {
        let mut rows = Rows::default();
        packets.iter().find_map(|packet| rows.take(packet).err()).map(|error| error.to_string())
    };
    assert_eq!(
        error(&[b"\xff\x17\x04#08S01WSREP has not yet prepared node for application use"]).as_deref(),
        Some("the server refuses: error 1047: WSREP has not yet prepared node for application use")
    );
    assert!(error(&[&[0, 0, 0]]).is_some() && error(&[&[3]]).is_some() && error(&[&[]]).is_some());
    let eof: &[u8] = &[0xfe, 0, 0, 2, 0];
    assert!(error(&[&[2], eof, b"\xfc\xff\xffx"]).is_some(), "a length that nothing bears out");
    assert!(error(&[&[2], eof, b"\x01x"]).is_some(), "one column");
    let row: &[u8] = b"\x01x\x01y";
    let endless: Vec<&[u8]> = [&[2][..], eof].into_iter().chain(std::iter::repeat_n(row, 1000)).collect();
    assert_eq!(error(&endless).as_deref(), Some("answers with more than 64 rows"));
}

#[test]
fn packets_have_a_head() {
    assert_eq!(packet(3, b"abc"), b"\x03\0\0\x03abc");
    assert_eq!(head(*b"\x03\x01\0\x07"), Ok((259, 7)));
    assert!(head(*b"HTTP").unwrap_err().to_string().contains("which is no MySQL"));
    assert_eq!(query("SHOW"), b"\x03SHOW");
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (greeting(&bytes), reply(&bytes), refusal(&bytes));
        let mut rows = Rows { stage: Stage::Rows, ..Rows::default() };
        let _ = rows.take(&bytes);
        let _ = Rows::default().take(&bytes);
    }

    /// A greeting that is broken somewhere.
    #[test]
    fn a_changed_greeting_is_safe(place in 0usize..80, byte in any::<u8>(), cut in 0usize..90) {
        let mut payload = mariadb();
        if let Some(changed) = payload.get_mut(place) {
            *changed = byte;
        }
        payload.truncate(cut);
        if let Ok(hello) = greeting(&payload) {
            prop_assert_eq!(hello.nonce.len(), NONCE);
            let _ = hello.login("x", b"", &hello.plugin, false);
        }
    }
}
