// Open pages in headless Chromium, in light and dark, and print what axe-core finds, as one JSON object per page.
//
//   npm install --prefix /some/folder axe-core puppeteer-core
//   node scripts/check_page.mjs /some/folder report.html [more.html ...]
//
// Fails (exit code 1) on a serious or critical violation, a console message of an error, or any request but the page.
// CHROMIUM names the browser; the default is the first of chromium, chromium-browser and google-chrome on the PATH.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...pages] = process.argv.slice(2);
if (!folder || !pages.length) {
  console.error("usage: node check_page.mjs FOLDER_WITH_NODE_MODULES PAGE.html ...");
  process.exit(2);
}
const load = createRequire(resolve(folder, "package.json"));
const puppeteer = (await import(pathToFileURL(load.resolve("puppeteer-core")))).default;
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");

function browserPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch { /* the next one */ }
  }
  console.error("No chromium on the PATH; name one in CHROMIUM.");
  process.exit(2);
}

const browser = await puppeteer.launch({ executablePath: browserPath(), args: ["--no-sandbox", "--disable-gpu"] });
let bad = false;
for (const page of pages) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1200, 390]) {
      const url = pathToFileURL(resolve(page)).href;
      const tab = await browser.newPage();
      await tab.setViewport({ width, height: 900 });
      await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const errors = [], requests = [];
      tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      tab.on("pageerror", (error) => errors.push(String(error)));
      tab.on("request", (request) => request.url() !== url && requests.push(request.url()));
      await tab.goto(url, { waitUntil: "networkidle0" });
      const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      await tab.evaluate(axe);
      const found = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      const violations = found.violations.map((v) => ({
        id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.length, first: v.nodes[0].html.slice(0, 200),
      }));
      const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
      bad ||= serious.length > 0 || errors.length > 0 || requests.length > 0 || overflow > 1;
      console.log(JSON.stringify({ page, scheme, width, axe: found.testEngine.version, overflow, errors, requests, violations }));
      await tab.close();
    }
  }
}
await browser.close();
process.exit(bad ? 1 : 0);
