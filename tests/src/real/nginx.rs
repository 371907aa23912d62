//! nginx in the role of keystone: one on every controller, answering `GET /` with JSON and `GET /healthcheck` with 200;
//! curl asks for both, each time over a new connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::batch::Batch;
use super::service::{Service, await_listening, write};
use crate::lab::{Lab, Node, Process, wait_until};

const PORT: u16 = 5000;

/// How long a request may be missing in the access log after its answer.
const LOGGED: Duration = Duration::from_secs(5);

/// Running servers.
#[derive(Debug)]
pub struct Nginx {
    servers: BTreeMap<String, Process>,
}

impl Nginx {
    /// Starts a server on every controller; returns once all accept connections.
    pub fn start(lab: &Lab) -> Result<Self> {
        let mut servers = BTreeMap::new();
        for host in lab.hosts() {
            let directory = lab.directory().join("nginx").join(&host.name);
            write(&directory, "nginx.conf", &configuration(&directory, host))?;
            let mut command = std::process::Command::new("/usr/sbin/nginx");
            command.args(["-e", "stderr", "-c"]).arg(directory.join("nginx.conf"));
            servers.insert(host.name.clone(), host.spawn(&format!("nginx-{}", host.name), command)?);
        }
        for host in lab.hosts() {
            await_listening(host, PORT)?;
        }
        Ok(Self { servers })
    }

    /// Requests answered with 200 in all access logs, by host and client address.
    fn logged(&self) -> BTreeMap<(String, IpAddr), usize> {
        let mut counts = BTreeMap::new();
        for (host, server) in &self.servers {
            for client in server.stdout().lines().filter_map(client_of) {
                *counts.entry((host.clone(), client)).or_default() += 1;
            }
        }
        counts
    }
}

impl Service for Nginx {
    fn name(&self) -> &'static str {
        "keystone"
    }

    fn port(&self) -> u16 {
        PORT
    }

    fn description(&self) -> &'static str {
        "nginx as keystone; curl: GET / and GET /healthcheck, each time over a new connection"
    }

    fn request(&self, target: Ipv4Addr) -> String {
        format!("curl http://{target}:{PORT}/")
    }

    fn drive(&mut self, client: &Node, target: Ipv4Addr, ops: usize) -> Result<Batch> {
        let before = self.logged();
        let mut batch = Batch::default();
        for line in request(client, target, ops)?.lines() {
            match line.trim_end() {
                "200 1" => batch.ops += 1,
                other => batch.fail(other),
            }
        }
        if batch.ops != ops {
            bail!("curl made {} requests of {ops}", batch.ops);
        }
        let answered = batch.ops - batch.failed;
        let seen = wait_until(LOGGED, &format!("{answered} requests in the access logs"), || {
            let mut seen = self.logged();
            seen.iter_mut().for_each(|(key, count)| *count -= before.get(key).unwrap_or(&0));
            let sum: usize = seen.values().sum();
            if sum >= answered { Ok(seen) } else { Err(format!("{sum}")) }
        })?;
        for ((host, address), count) in seen.into_iter().filter(|(_, count)| *count > 0) {
            *batch.backends.entry(host).or_default() += count;
            *batch.clients.entry(address).or_default() += count;
        }
        Ok(batch)
    }

    fn victim(&self) -> Result<String> {
        Ok("c2".to_owned())
    }

    /// By a fast shutdown: killed, the master process would leave its workers behind, still serving.
    fn end_on(&mut self, host: &str) -> Result<()> {
        // Its access log stays part of what was seen.
        let server = self.servers.get_mut(host).with_context(|| format!("no nginx runs on {host}"))?;
        server.stop()?;
        Ok(())
    }
}

/// Has curl ask for `ops` answers, half of them health checks. For each it prints `200 1` (status, new connections), and
/// the error if there was one.
fn request(client: &Node, target: Ipv4Addr, ops: usize) -> Result<String> {
    let mut command = client.netns().command("/usr/bin/curl")?;
    command.args(["--silent", "--connect-timeout", "5", "--max-time", "10", "--header", "Connection: close"]);
    command.args(["--write-out", "%{http_code} %{num_connects} %{errormsg}\\n"]);
    for (path, from, to) in [("", 1, ops / 2), ("healthcheck", ops / 2 + 1, ops)] {
        command.args(["--output", "/dev/null"]);
        command.arg(format!("http://{target}:{PORT}/{path}?request=[{from}-{to}]"));
    }
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    // Its exit code is that of the last request only; each request has a line of its own.
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn configuration(directory: &Path, host: &Node) -> String {
    let (directory, name, address) = (directory.display(), &host.name, host.address);
    format!(
        "daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    log_format seen '$remote_addr $status $request_uri';
    access_log /dev/stdout seen;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {address}:{PORT};
        default_type application/json;
        location = / {{ return 200 '{{\"version\": \"v3\", \"node\": \"{name}\", \"client\": \"$remote_addr\"}}\\n'; }}
        location = /healthcheck {{ return 200 'OK\\n'; }}
    }}
}}
"
    )
}

/// The client of a line of the access log, if the request was answered with 200.
fn client_of(line: &str) -> Option<IpAddr> {
    let mut fields = line.split(' ');
    let client = fields.next()?.parse().ok()?;
    (fields.next()? == "200").then_some(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whose_request_was_answered_from_the_access_log() {
        let client = Some(IpAddr::from([10, 77, 0, 200]));
        assert_eq!(client_of("10.77.0.200 200 /?request=1"), client);
        assert_eq!(client_of("10.77.0.200 404 /nothing"), None);
        assert_eq!(client_of("10.77.0.2"), None);
    }
}
