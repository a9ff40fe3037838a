(function() {
{{common}}
  function anchor() {
    var box = document.createElement('div');
    box.id = 'anchor-ad';
    box.setAttribute('role', 'complementary');
    box.setAttribute('aria-label', 'Advertisement');
    box.style.cssText = 'position:fixed;right:12px;bottom:12px;z-index:50;width:216px;box-shadow:0 4px 18px rgba(0,0,0,.3)';
    var close = document.createElement('button');
    close.textContent = '×';
    close.setAttribute('aria-label', 'Close advertisement');
    close.style.cssText = 'position:absolute;right:0;top:-24px;width:24px;height:24px;border:0;background:#222;color:#fff;cursor:pointer';
    close.onclick = function() { box.remove(); };
    box.appendChild(close);
    box.appendChild(frame('tag-manager', 216, 120));
    document.body.appendChild(box);
    navigator.sendBeacon(adServer + '/bid?unit=anchor&page=' + page);
  }
  document.body ? anchor() : document.addEventListener('DOMContentLoaded', anchor);
})();
