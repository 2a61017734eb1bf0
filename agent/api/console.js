"use strict";

// Data only ever becomes text: nothing here parses markup.
const byId = (id) => document.getElementById(id);

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function button(text, action) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function fillRows(id, rows) {
  byId(id).replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    for (const cell of cells) {
      const made = document.createElement("td");
      made.append(cell instanceof Node ? cell : String(cell ?? "–"));
      row.append(made);
    }
    return row;
  }));
}

function inBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    ++unit;
  }
  return `${bytes.toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}

let configFile = "/etc/keyrewind/config.yaml";

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function showCommand(words) {
  byId("command").textContent =
      ["keyrewind", "restore", "-c", configFile, ...words, "--target", "DIR"].map(quoted).join(" ");
}

async function get(path) {
  const answer = await fetch(path, {headers: {Accept: "application/json"}});
  const body = await answer.json();
  if (!answer.ok && answer.status !== 503) {
    throw new Error(body.detail ?? answer.statusText);
  }
  return body;
}

function showStatus(status) {
  configFile = status.agent.config_file || configFile;
  byId("source").textContent = status.source.name;
  byId("health").textContent = status.health.healthy ? "healthy" : "unhealthy";
  byId("health").className = status.health.healthy ? "good" : "bad";
  byId("reasons").replaceChildren(
      ...status.health.reasons.map((reason) => element("li", `${reason.level}: ${reason.message}`)));
  const facts = [
    ["Version", status.agent.version],
    ["Role", status.agent.role],
    ["Reads from", status.source.node ?? status.source.error],
    ["Log", !status.log.enabled ? "off" : status.log.attached ? `attached, ${inBytes(status.log.lag_bytes)} not yet stored` : "not attached"],
    ["Last backup", status.last_backup ? status.last_backup.finished : "none"],
    ...status.repositories.map((repository) => [
      `Repository ${repository.name}`,
      `${repository.url}, ${repository.reachable ? `${repository.backups} backups, ${inBytes(repository.stored_bytes)}` : repository.error}`]),
  ];
  byId("facts").replaceChildren(
      ...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value ?? "–")]));
  fillRows("schedules", status.schedules.map((schedule) => [
    schedule.name, schedule.cron, schedule.paused ? "paused" : schedule.next, schedule.last_success]));
}

function showTimeline(timeline) {
  fillRows("windows", timeline.windows.map((window) => [
    window.from, window.until, window.snapshots.length, inBytes(window.stored_bytes)]));
  fillRows("events", timeline.events.slice(-20).reverse().map((event) => [
    event.at, `${event.command ?? event.kind} ${event.detail}`,
    event.command ? button("restore to before", () => showCommand(["--at", `before:${event.id}`])) : ""]));
  const newest = timeline.windows.at(-1);
  if (newest && byId("moment").value === "") {
    byId("moment").value = newest.until;
    showCommand(["--at", newest.until]);
  }
}

function showBackups(answer) {
  fillRows("backups", answer.backups.map((backup) => [
    backup.id, backup.created, backup.opaque ? "?" : backup.keys, inBytes(backup.stored_bytes), backup.server,
    button("restore", () => showCommand([backup.id]))]));
}

function showTasks(answer) {
  fillRows("tasks", answer.tasks.slice(0, 20).map((task) => [
    task.id, task.kind, task.failure ? `${task.state}: ${task.failure.message}` : task.state,
    task.fraction === null ? inBytes(task.done_bytes) : `${Math.round(task.fraction * 100)} %`]));
}

async function refresh(parts) {
  const problems = [];
  for (const [path, show] of parts) {
    try {
      show(await get(path));
    } catch (error) {
      problems.push(`${path}: ${error.message}`);
    }
  }
  byId("problem").textContent = problems.join("; ");
  byId("problem").hidden = problems.length === 0;
}

const fromMemory = [["api/v1/status", showStatus], ["api/v1/tasks", showTasks]];
const fromRepository = [["api/v1/backups", showBackups], ["api/v1/timeline", showTimeline]];

byId("moment").addEventListener("input", () => showCommand(["--at", byId("moment").value]));
byId("copy").addEventListener("click", () => navigator.clipboard.writeText(byId("command").textContent));
showCommand(["latest"]);
refresh([...fromMemory, ...fromRepository]);
setInterval(() => refresh(fromMemory), 5000);
setInterval(() => refresh(fromRepository), 60000);
