import NodePasswordCore
import Testing

private let k3sData = "/var/lib/rancher/k3s"
private let rke2Data = "/var/lib/rancher/rke2"

/// Machines that are not as an installer left them.
@Suite struct InstallationOddityTests {
  // MARK: Which product, which unit

  static let choices = [
    Oddity("K3s after RKE2, whose data was left", ExpectedInstallation(.k3s, unit: "k3s-agent.service")) { root in
      try root.make("\(rke2Data)/server/cred")
      try root.write("/etc/rancher/rke2/config.yaml", "node-name: old\n")
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
    },
    Oddity(
      "RKE2 after K3s, whose unit was stopped and disabled", ExpectedInstallation(.rke2, unit: "rke2-agent.service")
    ) {
      root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --node-name old", isEnabled: false)
      try root.make("\(k3sData)/agent")
      try root.unit("rke2-agent.service", "/usr/bin/rke2 agent", in: "/usr/lib/systemd/system")
      try root.unit("rke2-server.service", "/usr/bin/rke2 server", in: "/usr/lib/systemd/system", isEnabled: false)
    },
    Oddity("both enabled, RKE2 joined last", ExpectedInstallation(.rke2, unit: "rke2-agent.service", nodeName: "r")) {
      root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --node-name k")
      try root.unit("rke2-agent.service", "/usr/bin/rke2 agent --node-name r")
      try root.joined(k3sData, at: 1000)
      try root.joined(rke2Data, at: 2000)
    },
    Oddity("both enabled, K3s joined last", ExpectedInstallation(.k3s, unit: "k3s-agent.service", nodeName: "k")) {
      root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --node-name k")
      try root.unit("rke2-agent.service", "/usr/bin/rke2 agent --node-name r")
      try root.joined(k3sData, at: 2000)
      try root.joined(rke2Data, at: 1000)
    },
    Oddity(
      "agent made a server, both units enabled",
      ExpectedInstallation(.k3s, unit: "k3s.service", hasServerRole: true, nodeName: "new")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --node-name old")
      try root.unit("k3s.service", "/usr/local/bin/k3s server --node-name new")
      try root.make("\(k3sData)/server/cred")
    },
    Oddity(
      "agent made a server, not started yet", ExpectedInstallation(.k3s, unit: "k3s-agent.service", nodeName: "old")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --node-name old")
      try root.unit("k3s.service", "/usr/local/bin/k3s server --node-name new")
      try root.make("\(k3sData)/agent")
    },
    Oddity(
      "server made an agent on its old data, which still makes it a server for us",
      ExpectedInstallation(.k3s, unit: "k3s-agent.service", hasServerRole: true)
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
      try root.unit("k3s.service", "/usr/local/bin/k3s server", isEnabled: false)
      try root.make("\(k3sData)/server/cred")
    },
    Oddity(
      "both of RKE2's units, neither enabled, a server by its moved data",
      ExpectedInstallation(.rke2, unit: "rke2-server.service", hasServerRole: true, dataDirectory: "/srv/rke2")
    ) { root in
      for role in ["agent", "server"] {
        try root.unit("rke2-\(role).service", "/usr/bin/rke2 \(role)", in: "/usr/lib/systemd/system", isEnabled: false)
      }
      try root.write("/etc/rancher/rke2/config.yaml", "data-dir: /srv/rke2\n")
      try root.make("/srv/rke2/server/cred")
    },
    Oddity(
      "RKE2's server masked, its agent used", ExpectedInstallation(.rke2, unit: "rke2-agent.service")
    ) { root in
      for role in ["agent", "server"] {
        try root.unit("rke2-\(role).service", "/usr/bin/rke2 \(role)", in: "/usr/lib/systemd/system", isEnabled: false)
      }
      try root.make(systemdUnits)
      try root.link("\(systemdUnits)/rke2-server.service", to: "/dev/null")
      try root.make("\(rke2Data)/agent")
    },
    Oddity("all masked: nothing starts what is there", ExpectedInstallation(.k3s, unit: nil, logsToJournal: nil)) {
      root in
      try root.unit("k3s-agent.service", "/usr/bin/k3s agent", in: "/usr/lib/systemd/system")
      try root.link("\(systemdUnits)/k3s-agent.service", to: "/dev/null")
      try root.make("\(k3sData)/agent")
    },
    Oddity(
      "masked until the next boot only, which a unit in /etc is stronger than",
      ExpectedInstallation(.k3s, unit: "k3s-agent.service")
    ) {
      root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
      try root.make("/run/systemd/system")
      try root.link("/run/systemd/system/k3s-agent.service", to: "/dev/null")
    },
    Oddity("disabled, so that it does not come back", ExpectedInstallation(.k3s, unit: "k3s-agent.service")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", isEnabled: false)
      try root.make("\(k3sData)/agent")
    },
    Oddity(
      "INSTALL_K3S_NAME beside the disabled unit of before",
      ExpectedInstallation(.k3s, unit: "k3s-edge.service", nodeName: "edge")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", isEnabled: false)
      try root.unit("k3s-edge.service", "/usr/local/bin/k3s agent --node-name edge")
    },
    Oddity(
      "INSTALL_K3S_NAME and INSTALL_K3S_SYSTEMD_DIR", ExpectedInstallation(.k3s, unit: "k3s-edge.service")
    ) { root in
      try root.unit("k3s-edge.service", "/usr/local/bin/k3s agent", in: "/usr/local/lib/systemd/system")
    },
    Oddity("one unit for both roles (NixOS)", ExpectedInstallation(.k3s, unit: "k3s.service")) { root in
      try root.unit("k3s.service", "/nix/store/abc-k3s/bin/k3s agent")
    },
    Oddity("enabled by an image", ExpectedInstallation(.k3s, unit: "k3s-edge.service")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", isEnabled: false)
      try root.unit("k3s-edge.service", "/usr/local/bin/k3s agent", isEnabled: false)
      try root.enable("k3s-edge.service", by: "/usr/lib/systemd/system/multi-user.target.wants")
    },
    Oddity(
      "a server without an agent",
      ExpectedInstallation(.k3s, unit: "k3s.service", hasServerRole: true, hasAgentRole: false)
    ) { root in
      try root.unit("k3s.service", "/usr/local/bin/k3s server --disable-agent")
      try root.make("\(k3sData)/server/cred")
    },
    Oddity(
      "by hand, which says nothing of the log",
      ExpectedInstallation(.k3s, unit: nil, nodeName: "by-hand", logsToJournal: nil)
    ) { root in
      try root.write("/etc/rancher/k3s/config.yaml", "node-name: by-hand\n")
      try root.make("\(k3sData)/agent")
    },
  ]

  @Test(arguments: choices) func chooses(_ row: Oddity) throws { try row.check() }

  // MARK: Where the data is

  static let places = [
    Oddity("by a flag", ExpectedInstallation(.k3s, unit: "k3s-agent.service", dataDirectory: "/d")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent -d /d/")
    },
    Oddity("by a unit's drop-in", ExpectedInstallation(.k3s, unit: "k3s-agent.service", dataDirectory: "/d")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
      try root.write(
        "/run/systemd/system/k3s-agent.service.d/o.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s agent --data-dir /d\n")
    },
    Oddity(
      "by a drop-in of all units", ExpectedInstallation(.k3s, unit: "k3s-agent.service", dataDirectory: "/closest")
    ) {
      root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent")
      let text = { (place: String) in "[Service]\nEnvironment=K3S_DATA_DIR=\(place)\n" }
      try root.write("\(systemdUnits)/service.d/a.conf", text("/all"))
      try root.write("\(systemdUnits)/k3s-.service.d/a.conf", text("/closest"))
      try root.write("/usr/lib/systemd/system/k3s-agent.service.d/a.conf", text("/weak"))
    },
    Oddity("by the environment", ExpectedInstallation(.k3s, unit: "k3s-agent.service", dataDirectory: "/d")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", more: "Environment=K3S_DATA_DIR=/d\n")
      try root.make("/d/agent")
      try root.make("\(k3sData)/agent")
    },
    Oddity(
      "by the environment, which a K3s before July 2024 does not read",
      ExpectedInstallation(.k3s, unit: "k3s-agent.service")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", more: "Environment=K3S_DATA_DIR=/d\n")
      try root.make("\(k3sData)/agent")
    },
    Oddity("in a home", ExpectedInstallation(.k3s, unit: "k3s-agent.service", dataDirectory: "/root/k3s")) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent", more: "User=root\n")
      try root.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
      try root.write("/etc/rancher/k3s/config.yaml", "data-dir: ~/k3s\n")
    },
    Oddity(
      "rootless, by the unit's user",
      home: "/home/daemon",
      ExpectedInstallation(
        .k3s, unit: "k3s.service", dataDirectory: "/home/kim/.rancher/k3s",
        passwordPath: "/home/kim/.rancher/k3s/agent/etc/rancher/node/password")
    ) { root in
      try root.unit("k3s.service", "/usr/local/bin/k3s server --rootless", more: "User=1000\n")
      try root.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nkim:x:1000:1000:Kim:/home/kim:/bin/sh\n")
    },
    Oddity(
      "rootless, by HOME, which is stronger",
      ExpectedInstallation(
        .k3s, unit: "k3s.service", dataDirectory: "/h/.rancher/k3s",
        passwordPath: "/h/.rancher/k3s/agent/etc/rancher/node/password")
    ) { root in
      try root.unit("k3s.service", "/usr/local/bin/k3s server --rootless", more: "User=kim\nEnvironment=HOME=/h\n")
    },
    Oddity(
      "rootless with a place of its own",
      ExpectedInstallation(
        .k3s, unit: "k3s.service", dataDirectory: "/srv/k",
        passwordPath: "/srv/k/agent/etc/rancher/node/password")
    ) { root in
      try root.unit("k3s.service", "/usr/local/bin/k3s server --rootless --data-dir=/srv/k")
    },
    Oddity(
      "rootless agent, whose data has a default",
      ExpectedInstallation(
        .k3s, unit: "k3s-agent.service", passwordPath: "\(k3sData)/agent/etc/rancher/node/password")
    ) { root in
      try root.unit("k3s-agent.service", "/usr/local/bin/k3s agent --rootless")
    },
  ]

  @Test(arguments: places) func findsTheData(_ row: Oddity) throws { try row.check() }
}
