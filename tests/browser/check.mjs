// Opens report pages in Chromium and says what is wrong with them: node check.mjs FOLDER-FOR-SCREENSHOTS PAGE...
// A page must be valid HTML, raise no error, ask for nothing from elsewhere, fit the width and give axe-core no cause.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HtmlValidate } from "html-validate";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
const [pictures, ...pages] = process.argv.slice(2);
if (!pages.length) throw new Error("name a folder for the screenshots and at least one page");
mkdirSync(pictures, { recursive: true });

async function faultsInBrowser(browser, page, colorScheme, width) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const tab = await context.newPage();
  const faults = [];
  tab.on("pageerror", (error) => faults.push(`script error: ${error}`));
  tab.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  tab.on("request", (request) => /^(file|data):/.test(request.url()) || faults.push(`request: ${request.url()}`));
  await tab.goto(pathToFileURL(resolve(page)).href);
  await tab.addScriptTag({ content: axe });
  const { violations, passes } = await tab.evaluate(() => globalThis.axe.run());
  for (const each of violations) faults.push(`axe ${each.id}: ${each.nodes[0].html} ${each.nodes[0].failureSummary}`);
  if (!passes.length) faults.push("axe looked at nothing");
  const beyond = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (beyond > 0) faults.push(`${beyond} pixels wider than the window`);
  await tab.screenshot({ path: join(pictures, `${basename(page, ".html")}-${colorScheme}-${width}.png`), fullPage: true });
  await context.close();
  return faults.map((fault) => `${basename(page)}, ${colorScheme}, ${width} px: ${fault}`);
}

const faults = [];
const validator = new HtmlValidate({ extends: ["html-validate:standard"] });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
for (const page of pages) {
  const { results } = await validator.validateString(readFileSync(page, "utf8"));
  for (const { messages } of results)
    for (const { line, ruleId, message } of messages) faults.push(`${basename(page)}:${line} ${ruleId}: ${message}`);
  for (const colorScheme of ["light", "dark"])
    for (const width of [390, 1280]) faults.push(...(await faultsInBrowser(browser, page, colorScheme, width)));
}
await browser.close();
console.log(faults.length ? faults.join("\n") : `${pages.length} pages: nothing to complain of`);
process.exit(faults.length ? 1 : 0);
