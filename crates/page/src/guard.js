/* Latchkey: this reader has paid. Ads that scripts add later are refused; analytics is left alone. */
(function () {
  "use strict";
  if (window.latchkey && window.latchkey.adFree) return;
  window.latchkey = { adFree: true };
  (window.dataLayer = window.dataLayer || []).push({ event: "latchkey", latchkey_ad_free: true });
  var hosts = new Set(["{{hosts}}"]);
  function isAd(address) {
    try {
      var host = new URL(String(address), document.baseURI).hostname.replace(/\.$/, "");
      for (;;) {
        if (hosts.has(host)) return true;
        var dot = host.indexOf(".");
        if (dot < 0) return false;
        host = host.slice(dot + 1);
      }
    } catch (e) { return false; }
  }
  function refuse(element) {
    setTimeout(function () { element.dispatchEvent(new Event("error")); }, 0);
  }
  /* Addresses that are set on an element never load from an ad host. */
  [[HTMLScriptElement, "src"], [HTMLIFrameElement, "src"], [HTMLImageElement, "src"], [HTMLImageElement, "srcset"],
    [HTMLLinkElement, "href"], [HTMLEmbedElement, "src"], [HTMLObjectElement, "data"], [HTMLSourceElement, "src"],
    [HTMLMediaElement, "src"]].forEach(function (pair) {
    var own = Object.getOwnPropertyDescriptor(pair[0].prototype, pair[1]);
    if (!own || !own.set) return;
    Object.defineProperty(pair[0].prototype, pair[1], {
      configurable: true, enumerable: own.enumerable, get: own.get,
      set: function (value) { if (isAd(value)) refuse(this); else own.set.call(this, value); }
    });
  });
  var loads = { SCRIPT: 1, IFRAME: 1, IMG: 1, LINK: 1, EMBED: 1, OBJECT: 1, SOURCE: 1, VIDEO: 1, AUDIO: 1 };
  var setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (loads[this.tagName] && /^(src|srcset|href|data)$/i.test(name) && isAd(value)) { refuse(this); return; }
    setAttribute.call(this, name, value);
  };
  /* Markup that is written or parsed late. */
  function sweep(node) {
    if (node.nodeType !== 1) return;
    var found = loads[node.tagName] ? [node] : [];
    if (node.querySelectorAll) found = found.concat([].slice.call(node.querySelectorAll("script,iframe,img,link,embed,object")));
    found.forEach(function (element) {
      var address = element.getAttribute("src") || element.getAttribute("href") || element.getAttribute("data");
      if (address && isAd(address)) element.remove();
    });
  }
  new MutationObserver(function (records) {
    records.forEach(function (record) { record.addedNodes.forEach(sweep); });
  }).observe(document.documentElement, { childList: true, subtree: true });
  ["appendChild", "insertBefore", "replaceChild"].forEach(function (name) {
    var own = Node.prototype[name];
    Node.prototype[name] = function (node, other) {
      if (node && node.nodeType === 1 && loads[node.tagName]) {
        var address = node.getAttribute("src") || node.getAttribute("href") || node.getAttribute("data");
        if (address && isAd(address)) { refuse(node); return node; }
      }
      return arguments.length > 1 ? own.call(this, node, other) : own.call(this, node);
    };
  });
  /* Requests by script. */
  var fetch = window.fetch;
  if (fetch) window.fetch = function (request, options) {
    if (isAd(request && request.url || request)) return Promise.reject(new TypeError("Failed to fetch"));
    return fetch.call(window, request, options);
  };
  var open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, address) {
    if (isAd(address)) { arguments[1] = "about:blank"; }
    return open.apply(this, arguments);
  };
  var beacon = navigator.sendBeacon;
  if (beacon) navigator.sendBeacon = function (address, data) { return isAd(address) ? true : beacon.call(navigator, address, data); };
  /* The first page without ads in a tab: whatever the tab can go back to may be from before the payment, with ads. */
  try {
    if (history.length > 1 && !sessionStorage.getItem("latchkey_ad_free")) {
      fetch.call(window, "/.latchkey/assets/forget", { cache: "no-store" }).catch(function () {});
    }
    sessionStorage.setItem("latchkey_ad_free", "1");
  } catch (e) { /* No storage, no fetch: the tab keeps what it has. */ }
})();
