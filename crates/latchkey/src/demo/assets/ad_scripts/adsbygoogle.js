(function() {
{{common}}
  function fillAll() {
    document.querySelectorAll('ins.adsbygoogle:not([data-adsbygoogle-status])').forEach(function(ins) {
      ins.setAttribute('data-adsbygoogle-status', 'done');
      var fixed = ins.style.width === '300px';
      ins.appendChild(fixed ? frame('adsense-side', 300, 250) : frame('adsense-article', 600, 160));
    });
  }
  window.adsbygoogle = {loaded: true, push: fillAll};
  fillAll();
  document.addEventListener('DOMContentLoaded', fillAll);
})();
