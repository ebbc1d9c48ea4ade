// A strict fake of the functions of Google Apps Script that the sheet's script uses.
// stdin: {"script", "properties"}. stdout: {"menu", "item", "shown", "asked"}.
'use strict';
const { execFileSync } = require('child_process');
const vm = require('vm');

const { script, properties } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const seen = { menu: '', item: '', shown: [], asked: [] };
const actions = {};
const OPTIONS = new Set(['method', 'headers', 'muteHttpExceptions', 'followRedirects']);
// UrlFetchApp is synchronous, but Node's fetch isn't, so a child process makes the request.
const FETCH = `
  const [url, options] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  fetch(url, options).then(async (answer) => {
    process.stdout.write(JSON.stringify([answer.status, await answer.text()]));
  }).catch(() => process.exit(1));
`;

const ButtonSet = { OK: 'OK' };
const menu = (title) => {
  seen.menu = title;
  const made = {
    addItem(caption, name) {
      seen.item = caption;
      actions[caption] = name;
      return made;
    },
    addToUi() {},
  };
  return made;
};
const ui = {
  ButtonSet,
  createMenu: menu,
  alert(title, text, buttons) {
    if (buttons !== ButtonSet.OK || typeof text !== 'string') throw new Error('wrong alert');
    seen.shown.push({ as: 'alert', title, text });
  },
};
const sandbox = {
  SpreadsheetApp: {
    getUi: () => ui,
    getActiveSpreadsheet: () => ({
      toast(text, title, seconds) {
        if (typeof seconds !== 'number') throw new Error('wrong toast');
        seen.shown.push({ as: 'toast', title, text });
      },
    }),
  },
  PropertiesService: {
    getScriptProperties: () => ({ getProperty: (name) => properties[name] ?? null }),
  },
  UrlFetchApp: {
    fetch(url, options) {
      const unknown = Object.keys(options).filter((name) => !OPTIONS.has(name));
      if (unknown.length) throw new Error('Attribute provided with invalid value: ' + unknown);
      seen.asked.push({ url, ...options });
      const redirect = options.followRedirects === false ? 'manual' : 'follow';
      const input = JSON.stringify([url, { method: options.method, headers: options.headers, redirect }]);
      let told;
      try {
        told = execFileSync(process.execPath, ['-e', FETCH], { input, stdio: ['pipe', 'pipe', 'ignore'] });
      } catch {
        throw new Error('Address unavailable: ' + url);
      }
      const [status, text] = JSON.parse(told);
      if (status >= 400 && !options.muteHttpExceptions) throw new Error('Request failed: ' + status);
      return { getResponseCode: () => status, getContentText: () => text };
    },
  },
};
vm.createContext(sandbox);
vm.runInContext(script, sandbox);
vm.runInContext('onOpen()', sandbox);
vm.runInContext(actions[seen.item] + '()', sandbox);
process.stdout.write(JSON.stringify(seen));
